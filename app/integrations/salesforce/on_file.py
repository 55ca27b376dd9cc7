"""Contact data in Salesforce of the people behind an account: mailboxes, and facts to verify them by."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from app.integrations.salesforce import faults
from app.integrations.salesforce.client import SalesforceClient, quote

MOST_CONTACTS = 50
_ACCOUNT = "SELECT Id, Name, BillingPostalCode FROM Account WHERE Id = {}"
_CONTACTS = (
    f"SELECT Id, Email, LastName FROM Contact WHERE AccountId = {{}} ORDER BY CreatedDate, Id LIMIT {MOST_CONTACTS}"
)


class ContactsOnFile(Struct, frozen=True):
    """Contact data as staff entered it; empty if they did not. The mailboxes of the oldest contacts come first."""

    name: str = ""
    postcode: str = ""
    family_names: tuple[str, ...] = ()
    mailboxes: tuple[str, ...] = ()


async def on_file(client: SalesforceClient, account_id: str) -> ContactsOnFile:
    """Read the contact data of an account.

    Raises:
        UpstreamError
    """
    accounts = await client.query(quote(_ACCOUNT, account_id))
    contacts = await client.query(quote(_CONTACTS, account_id))
    with faults.understood("query:Contact"):
        account: Mapping[str, Any] = accounts[0] if accounts else {}
        mailboxes = (_text(each, "Email").lower() for each in contacts)
        return ContactsOnFile(
            name=_text(account, "Name"),
            postcode=_text(account, "BillingPostalCode"),
            family_names=tuple(filter(None, (_text(each, "LastName") for each in contacts))),
            mailboxes=tuple(dict.fromkeys(each for each in mailboxes if "@" in each)),
        )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""
