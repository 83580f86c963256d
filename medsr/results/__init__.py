"""Output files of one enhanced scan."""
