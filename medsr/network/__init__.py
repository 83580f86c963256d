"""What function is learned? Networks and how they are kept; knows nothing medical."""
