"""Evaluation of whole scans, and of groups of subjects, against references."""
