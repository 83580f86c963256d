"""Checks of a result: what was measured, what was not, and how large the error may be."""
