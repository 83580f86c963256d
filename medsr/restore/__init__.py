"""Enhancement of one whole scan."""
