"""Regions of a head by a segmentation network from elsewhere, to judge what comes after medsr."""
