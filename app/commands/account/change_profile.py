"""Change name, company or phone: WHMCS is authoritative, so the write goes there, and what it then holds is read back.

Salesforce holds none of these of a portal customer; an order takes its own copy of the address. The e-mail address is
not changed here: it is what the customer logs in with, and where WHMCS sends bills.

Writes: WHMCS client.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from app.commands.account.edit_client import edit
from app.commands.execution.context import Actor, Command, Context, Done
from app.errors import InvalidRequest
from app.inputs.numbers import Phone
from app.inputs.text import Line
from app.readmodels.profiles import Profile

PersonName = Annotated[Line, Meta(min_length=1, max_length=100)]
Telephone = Annotated[Phone, Meta(max_length=60)]
WHMCS_NAMES = {
    "first_name": "firstname",
    "last_name": "lastname",
    "company": "companyname",
    "phone": "phonenumber",
}


class ProfileChange(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is left out stays as it is. WHMCS takes an empty company for none given, so one cannot be emptied here."""

    first_name: PersonName | UnsetType = UNSET
    last_name: PersonName | UnsetType = UNSET
    company: PersonName | UnsetType = UNSET
    phone: Telephone | UnsetType = UNSET


class ChangeProfile(Struct):
    """A change, and the profile that the caller decided on, if it said so."""

    change: ProfileChange
    expected: Profile | None = None


async def change_profile(ctx: Context, actor: Actor, request: ChangeProfile) -> Done:
    """Change some fields. Safe to repeat.

    Raises:
        InvalidRequest: nothing is changed.
        Outdated: `precondition_failed`.
    """
    given = {name: value for name, value in asdict(request.change).items() if value is not UNSET}
    if not given:
        raise InvalidRequest("Name at least one field to change.")
    fields = {WHMCS_NAMES[name]: value for name, value in given.items()}
    return await edit(ctx, actor, fields, lambda profile: request.expected in (None, profile))


COMMAND = Command(change_profile)
