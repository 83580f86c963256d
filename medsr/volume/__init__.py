"""Volumes, their grids, and the files they come from."""
