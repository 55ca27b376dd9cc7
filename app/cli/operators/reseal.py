"""`portal reseal`: the last step of a change of PORTAL_SECRET."""

import sys

import click

from app.cli.as_json import AS_JSON, print_json
from app.cli.operate import operate, operator
from app.commands.identity import reseal as command


@click.command()
@AS_JSON
def reseal(as_json: bool) -> None:
    """Seal stored secrets again under PORTAL_SECRET, with PORTAL_SECRET_PREVIOUS set to the secret before.

    Once it says that nothing is unreadable, and 24 hours after the change, PORTAL_SECRET_PREVIOUS may be removed. Exit
    status 1 when something can be read with neither secret: those users set their second factor up anew
    (`portal forget-second-factor`).
    """
    found = operate(lambda r: command.reseal(r.pool, r.settings.keyring, operator()))
    if as_json:
        print_json({"columns": found})
    else:
        for each in found:
            click.echo(
                f"{each.table}.{each.column}: {each.resealed} sealed again, {each.current} were current, "
                f"{each.unreadable} unreadable."
            )
    sys.exit(1 if any(each.unreadable for each in found) else 0)
