"""How close is an image to its reference? Definitions, and the comparison of whole scans."""
