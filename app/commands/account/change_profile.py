"""Change name, company, phone or language. WHMCS is authoritative: the write goes there, and the result is read back.

Salesforce holds none of these for a portal customer. The e-mail address is not changed here: the customer logs in with
it, and WHMCS sends bills to it.

Writes: WHMCS client.
"""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from app.commands.account.edit_client import edit
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.execution.pending_write import write_of
from app.errors import InvalidRequest
from app.ingest.inbox.pending import Pending
from app.inputs.numbers import Phone
from app.inputs.text import Line
from app.readmodels.profiles import Profile
from app.words.languages import WHMCS_LANGUAGES, Language
from app.words.sentence import say

PersonName = Annotated[Line, Meta(min_length=1, max_length=100)]
Telephone = Annotated[Phone, Meta(max_length=60)]
WHMCS_NAMES = {
    "first_name": "firstname",
    "last_name": "lastname",
    "company": "companyname",
    "phone": "phonenumber",
    "language": "language",
}


class ProfileChange(Struct, forbid_unknown_fields=True, kw_only=True):
    """The fields to change; omitted ones keep their value. WHMCS ignores an empty company, so it cannot be cleared."""

    first_name: PersonName | UnsetType = UNSET
    last_name: PersonName | UnsetType = UNSET
    company: PersonName | UnsetType = UNSET
    phone: Telephone | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    """The language in which the customer is written to."""


class ChangeProfile(Struct):
    """The change, and the profile that the caller saw, if it named one."""

    change: ProfileChange
    expected: Profile | None = None


async def change_profile(ctx: Context, actor: Actor, request: ChangeProfile) -> Done:
    """Change the given fields of the profile. Safe to repeat.

    Raises:
        InvalidRequest: no field is given.
        Outdated: `precondition_failed`.
    """
    if not (given := _given(request)):
        raise InvalidRequest(say("account.nothing_to_change"))
    fields = {WHMCS_NAMES[name]: _as_whmcs(name, value) for name, value in given.items()}
    return await edit(ctx, actor, fields, lambda profile: request.expected in (None, profile), _write(actor, request))


def _given(request: ChangeProfile) -> dict[str, str]:
    return {name: value for name, value in asdict(request.change).items() if value is not UNSET}


def _write(actor: Actor, request: ChangeProfile) -> Pending:
    recheck = ("whmcs", "client", actor.whmcs_client_id)
    return write_of(actor, COMMAND.name, "profiles", _given(request), recheck=recheck)


def _as_whmcs(name: str, value: Any) -> str:
    return WHMCS_LANGUAGES[value] if name == "language" else value


COMMAND = Command(change_profile, writes=("whmcs",), away="queue", queued_write=_write)
