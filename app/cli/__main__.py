"""`python -m app.cli`: the same as `portal`."""

from app.cli.commands import main

main()
