"""What an erasure does in the systems of record, when asked to. Each step may be repeated.

Writes: WHMCS client, Salesforce Account.
"""

from app.integrations.salesforce import wire
from app.personal_data.steps import NOBODY, PersonalDataStep
from app.personal_data.subject import Subject
from app.resources import Resources

ERASED = "Erased"


async def whmcs(resources: Resources, subject: Subject) -> None:
    """Write over everything the client's profile says of a person. WHMCS takes an empty value for none given. The
    client itself stays: its invoices must be kept."""
    names = ("firstname", "lastname", "companyname", "address1", "address2", "city", "state", "tax_id", "notes")
    fields = dict.fromkeys(names, ERASED)
    fields |= {"email": NOBODY.format(subject.account_id), "postcode": "000-0000", "phonenumber": "0000000000"}
    await resources.whmcs.update_client(subject.whmcs_client_id, {**fields, "skipvalidation": "1"})


async def salesforce(resources: Resources, subject: Subject) -> None:
    """Write over the account's name, also where the portal wrote it down beside the client's number; empty the rest."""
    fields = {
        **dict.fromkeys(wire.ACCOUNT_PERSONAL),
        "Name": "Erased customer",
        wire.ACCOUNT_WHMCS: f"#{subject.whmcs_client_id}",
        wire.ACCOUNT_PORTAL_STATUS: "Not Yet",
    }
    await resources.salesforce.update("Account", subject.salesforce_account_id, fields)


async def close(resources: Resources, subject: Subject) -> None:
    """Close the WHMCS client: unpaid invoices are cancelled, services end, what was paid stays on record."""
    await resources.whmcs.close_client(subject.whmcs_client_id)


UPSTREAM_STEPS: dict[str, PersonalDataStep] = {"whmcs": whmcs, "salesforce": salesforce}
CLOSE_STEP: dict[str, PersonalDataStep] = {"close": close}
