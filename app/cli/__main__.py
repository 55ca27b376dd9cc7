"""Run the `portal` command: `python -m app.cli`."""

from app.cli.commands import main

main()
