"""Structure-aware mutations of what people bring; see `python -m tests.fuzz --help`."""
