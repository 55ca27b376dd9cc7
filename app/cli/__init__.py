"""The entry point of the `portal` command."""

from app.cli.commands import main

__all__ = ["main"]
