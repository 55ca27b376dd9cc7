"""`portal staff`: members of staff and their roles; and help for a user who lost the second factor."""

from uuid import UUID

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from app.cli.as_json import AS_JSON, print_json
from app.cli.operate import operate, operator
from app.commands.identity import staff_members as members


@click.group(invoke_without_command=True)
@click.pass_context
@AS_JSON
def staff(context: click.Context, as_json: bool) -> None:
    """List members of staff; or run a subcommand.

    support sees why an account shows what it shows; operator also decides about dead letters and rebuilds; analyst
    reads reports. Every member needs a second factor, which is set up at the first log-in.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_members, as_json=as_json)


@staff.command("list")
@AS_JSON
def list_members(as_json: bool = False) -> None:
    """List members with their role and whether the second factor is on."""
    found = operate(lambda r: members.members(r.pool))
    if as_json:
        print_json({"staff": found})
        return
    if not found:
        click.echo("No members yet. `portal staff add EMAIL --role operator` adds the first.")
        return
    table = Table("e-mail", "role", "second factor", "last seen", box=SIMPLE_HEAD)
    for each in found:
        seen = each.last_seen_at.strftime("%Y-%m-%d %H:%M UTC") if each.last_seen_at else "never"
        table.add_row(each.email, each.role, "on" if each.second_factor else "off", seen)
    Console().print(table)


@staff.command()
@click.argument("email")
@click.option("--role", type=click.Choice(members.ROLES), required=True, help="Give the member this role.")
@click.option("--name", default="", help="Set the first name.")
def add(email: str, role: str, name: str) -> None:
    """Add a member; a mailed link lets them choose a password."""

    def made(user_id: UUID) -> str:
        return (
            f"{email} is {role} now ({user_id}). A link to choose a password is sent by mail; it is valid for 3 days."
        )

    click.echo(made(operate(lambda r: members.add(r.pool, operator(), email, role, name))))


@staff.command()
@click.argument("email")
def remove(email: str) -> None:
    """End a member's sessions and access at once. The audit log keeps their actions."""
    operate(lambda r: members.remove(r.pool, operator(), email))
    click.echo(f"{email} no longer has access.")


@click.command("forget-second-factor")
@click.argument("email")
def forget_second_factor(email: str) -> None:
    """Remove the second factor of a user who lost device and recovery codes.

    Verify their identity first. Recorded in the audit log.
    """
    operate(lambda r: members.forget_second_factor(r.pool, operator(), email))
    click.echo(f"The second factor of {email} is off, and all sessions have ended. A mail tells them.")
