"""Reads DICOM files as one volume."""
