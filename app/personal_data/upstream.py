"""The steps of an erasure in the systems of record, run on request. Each is idempotent.

Writes: WHMCS client, Salesforce Account.
"""

from app.integrations.salesforce import wire
from app.personal_data.steps import NOBODY, PersonalDataStep
from app.personal_data.subject import Subject
from app.resources import Resources

ERASED = "Erased"


async def whmcs(resources: Resources, subject: Subject) -> None:
    """Overwrite everything personal in the client's profile.

    WHMCS ignores empty values, so placeholders are written. The client itself stays, because its invoices must be kept.
    """
    names = ("firstname", "lastname", "companyname", "address1", "address2", "city", "state", "tax_id", "notes")
    fields = dict.fromkeys(names, ERASED)
    fields |= {"email": NOBODY.format(subject.account_id), "postcode": "000-0000", "phonenumber": "0000000000"}
    await resources.whmcs.update_client(subject.whmcs_client_id, {**fields, "skipvalidation": "1"})


async def salesforce(resources: Resources, subject: Subject) -> None:
    """Overwrite the account's name and the portal's reference to the client, and empty the other personal fields."""
    fields = {
        **dict.fromkeys(wire.ACCOUNT_PERSONAL),
        "Name": "Erased customer",
        wire.ACCOUNT_WHMCS: f"#{subject.whmcs_client_id}",
        wire.ACCOUNT_PORTAL_STATUS: "Not Yet",
    }
    await resources.salesforce.update("Account", subject.salesforce_account_id, fields)


async def close(resources: Resources, subject: Subject) -> None:
    """Close the WHMCS client: unpaid invoices are cancelled, services end, paid invoices stay on record."""
    await resources.whmcs.close_client(subject.whmcs_client_id)


UPSTREAM_STEPS: dict[str, PersonalDataStep] = {"whmcs": whmcs, "salesforce": salesforce}
CLOSE_STEP: dict[str, PersonalDataStep] = {"close": close}
