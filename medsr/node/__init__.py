"""A DICOM node: series come in by C-STORE, are enhanced by rules, and go on to an archive."""
