"""Words -> one call: parsing and exit codes."""
