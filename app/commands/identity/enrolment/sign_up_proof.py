"""Whose mailbox proves a sign-up.

Customer numbers are sequential, so a number proves nothing. Where Salesforce or WHMCS has a mailbox on file, the code
goes there, whatever address was given. Where none is, the one that was given will do for somebody who also knows
another fact of the account.
"""

import re
import unicodedata
from typing import Any

from msgspec import Struct

from app.commands.execution.context import Context
from app.errors import UpstreamNotFound
from app.integrations.salesforce import wire
from app.integrations.salesforce.on_file import ContactsOnFile, on_file

_CLIENT = re.compile(r"\s*#?\s*(\d{1,18})\b")
"""How Salesforce names the WHMCS client of an account: `#1042 - Sato Hanako`."""


class Proof(Struct, frozen=True):
    """`mailbox` gets the code; empty, and nobody does. `on_file` are the mailboxes that are told in the end."""

    mailbox: str
    on_file: tuple[str, ...]


async def proof_of(ctx: Context, account: dict[str, Any] | None, email: str, last_name: str, postcode: str) -> Proof:
    """Who proves a sign-up for this Salesforce account, or for none. Under `SIGN_UP_PROOF=letter` no mailbox does.

    Raises:
        UpstreamError
    """
    if account is None:
        return Proof("", ())
    known = await on_file(ctx.salesforce, account["Id"])
    held = known.mailboxes or await _billing_mailboxes(ctx, account)
    # Who gave one of several gets the code there; for everybody else it is the oldest.
    filed = email if email in held else next(iter(held), "")
    if ctx.settings.sign_up_proof == "letter":
        return Proof("", held)
    return Proof(filed or (email if knows(known, last_name, postcode) else ""), held)


async def _billing_mailboxes(ctx: Context, account: dict[str, Any]) -> tuple[str, ...]:
    client_id = client_named(account)
    if client_id is None:
        return ()
    try:
        email = (await ctx.whmcs.client(client_id)).data["email"].strip().lower()
    except UpstreamNotFound:
        return ()
    return (email,) if "@" in email else ()


def client_named(account: dict[str, Any]) -> str | None:
    """The WHMCS client that Salesforce names for an account."""
    found = _CLIENT.match(account.get(wire.ACCOUNT_WHMCS) or "")
    return str(int(found[1])) if found else None


def knows(known: ContactsOnFile, last_name: str, postcode: str) -> bool:
    """Whether somebody knows the family name or the postcode of an account. What is not on file, nobody knows.

    The account's own name counts as a whole only: parts of a company's name are anybody's guess.
    """
    names = {_letters(each) for each in (*known.family_names, known.name)} - {""}
    codes = {_letters(known.postcode)} - {""}
    return _letters(last_name) in names or _letters(postcode) in codes


def _letters(value: str) -> str:
    """What is compared: letters and digits, whatever their case and width and what stands between them."""
    return "".join(each for each in unicodedata.normalize("NFKC", value).casefold() if each.isalnum())
