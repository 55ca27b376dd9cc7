"""`portal end-sessions`: log a user out everywhere, or everybody."""

import sys

import click

from app.cli.operate import operate, operator
from app.commands.identity.sessions import end_sessions as command


@click.command("end-sessions")
@click.argument("email", required=False)
@click.option("--everybody", is_flag=True, help="Every session there is, those of staff too.")
def end_sessions(email: str | None, everybody: bool) -> None:
    """End every session of a user, or of everybody, at once. Who knows the password logs in again; it is audited."""
    if bool(email) == everybody:
        click.echo("portal: name an e-mail address, or say --everybody.", err=True)
        sys.exit(2)
    if email:
        ended = operate(lambda r: command.end_sessions_of(r.pool, operator(), email))
    else:
        ended = operate(lambda r: command.end_every_session(r.pool, operator()))
    click.echo(f"{ended} session{'' if ended == 1 else 's'} ended.")
