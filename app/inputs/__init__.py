"""Validation of what callers type: bodies read field by field, and one rule for each kind of text."""
