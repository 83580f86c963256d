"""The command line: option parsing and exit codes."""
