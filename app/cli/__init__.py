"""The `portal` command."""

import click


@click.group()
def main() -> None:
    """The customer portal: one API in front of Salesforce, WHMCS, Freebit and WHM."""
