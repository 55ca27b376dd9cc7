"""What callers type: bodies read field by field, and one rule for each kind of text, wherever it is typed."""
