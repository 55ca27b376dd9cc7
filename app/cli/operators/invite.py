"""`portal invite`: codes to be printed in letters, with which customers sign up."""

import click

from app.cli.as_json import AS_JSON, print_json
from app.cli.operate import operate, operator
from app.commands.identity.enrolment import invitations


@click.command()
@click.argument("customer_numbers", nargs=-1, required=True)
@click.option("--days", type=click.IntRange(1, 365), default=60, show_default=True, help="How long a code is good.")
@AS_JSON
def invite(customer_numbers: tuple[str, ...], days: int, as_json: bool) -> None:
    """Make a code for each customer number, to be printed in a letter. It is shown here and never again.

    It is good for one sign-up, and an earlier code of the same number is good no more. With SIGN_UP_PROOF=letter it is
    the only way to sign up; otherwise it helps where no mailbox is on file.
    """

    by = operator()
    made = operate(lambda r: invitations.invite(r.context, by, customer_numbers, days=days))
    if as_json:
        print_json({"invitations": made})
        return
    for each in made:
        click.echo(f"{each.customer_number}\t{each.code}\tgood until {each.expires_at:%Y-%m-%d}")
