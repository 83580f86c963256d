"""How does a volume become a derived DICOM series?"""
