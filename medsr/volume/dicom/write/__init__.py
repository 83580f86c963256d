"""Writes a volume as a derived DICOM series."""
