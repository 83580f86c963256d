"""Image quality metrics and their definitions."""
