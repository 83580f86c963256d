"""How do DICOM files become one volume?"""
