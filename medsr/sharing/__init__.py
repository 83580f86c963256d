"""How a model leaves medsr: as a MONAI bundle, or as a folder of a model hub."""
