"""Validation of the caption records."""
