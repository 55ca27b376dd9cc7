"""`portal invite`: codes for letters, with which customers sign up."""

import click

from app.cli.as_json import AS_JSON, print_json
from app.cli.operate import operate, operator
from app.commands.identity.enrolment import invitations


@click.command()
@click.argument("customer_numbers", nargs=-1, required=True)
@click.option(
    "--days", type=click.IntRange(1, 365), default=60, show_default=True, help="Set how many days a code is valid."
)
@AS_JSON
def invite(customer_numbers: tuple[str, ...], days: int, as_json: bool) -> None:
    """Create a code for each customer number, to be printed in a letter. It is shown here once and never again.

    It is valid for one sign-up, and replaces an earlier code of the same number. With SIGN_UP_PROOF=letter it is the
    only way to sign up; otherwise it is for customers without a mailbox on file.
    """

    by = operator()
    made = operate(lambda r: invitations.invite(r.context, by, customer_numbers, days=days))
    if as_json:
        print_json({"invitations": made})
        return
    for each in made:
        click.echo(f"{each.customer_number}\t{each.code}\tvalid until {each.expires_at:%Y-%m-%d}")
