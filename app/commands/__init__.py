"""Writes to the systems of record: one module per command, each command a plain function."""
