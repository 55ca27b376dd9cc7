"""The `portal` command."""

from app.cli.commands import main

__all__ = ["main"]
