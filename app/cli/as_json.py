"""JSON output of operators' commands."""

from typing import Any

import click
import msgspec

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def print_json(body: Any) -> None:
    """Print anything msgspec can encode, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(body), indent=2).decode())
