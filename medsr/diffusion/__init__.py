"""How is noise added and taken away? Knows nothing medical."""
