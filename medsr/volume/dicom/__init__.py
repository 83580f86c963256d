"""How is a DICOM series read and written?"""
