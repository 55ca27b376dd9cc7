"""`portal end-sessions`: logs one user out everywhere, or everybody."""

import sys

import click

from app.cli.operate import operate, operator
from app.commands.identity.sessions import end_sessions as command


@click.command("end-sessions")
@click.argument("email", required=False)
@click.option("--everybody", is_flag=True, help="End every session, including those of staff.")
def end_sessions(email: str | None, everybody: bool) -> None:
    """End every session of a user, or of everybody, at once.

    Users who know their password can log in again. Recorded in the audit log.
    """
    if bool(email) == everybody:
        click.echo("portal: name an e-mail address, or pass --everybody.", err=True)
        sys.exit(2)
    if email:
        ended = operate(lambda r: command.end_sessions_of(r.pool, operator(), email))
    else:
        ended = operate(lambda r: command.end_every_session(r.pool, operator()))
    click.echo(f"{ended} session{'' if ended == 1 else 's'} ended.")
