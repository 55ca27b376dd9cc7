"""`portal reseal`: the last step of a change of PORTAL_SECRET."""

import sys

import click

from app.cli.as_json import AS_JSON, print_json
from app.cli.operate import operate, operator
from app.commands.identity import reseal as command


@click.command()
@AS_JSON
def reseal(as_json: bool) -> None:
    """Re-encrypt stored secrets under PORTAL_SECRET, with PORTAL_SECRET_PREVIOUS set to the old secret.

    Once it reports that nothing is unreadable, and 24 hours after the change, remove PORTAL_SECRET_PREVIOUS. Exit
    status 1 if something can be read with neither secret: those users must set up their second factor again (`portal
    forget-second-factor`).
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
