"""WHM API 1: hosting accounts.

Every call is a POST, because query strings land in access logs. The answer is always HTTP 200; `metadata.result` tells.
There is no idempotency key: look with `account` before `create_account`, and again after a doubt.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from app.errors import (
    OutcomeUnknown,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRejected,
)
from app.integrations.forms import Answer, Forms, of_status
from app.settings import Settings

WHM = "whm"
CONCURRENCY = 4
USERNAME_TAKEN, DOMAIN_TAKEN = "username_taken", "domain_taken"

_PREFIX = re.compile(r"API failure:\s*|\(XID \w+\)\s*")
PATTERNS: tuple[tuple[re.Pattern[str], type[UpstreamError], str], ...] = (
    (
        re.compile(r"access denied|permission denied|function not found|token .*(invalid|expired)", re.I),
        UpstreamAuthFailed,
        "refused",
    ),
    (re.compile(r"(package|plan).*(does not exist|could not be found)", re.I), UpstreamRejected, "package_missing"),
    (re.compile(r"do not have access to an account named|do not own", re.I), UpstreamRejected, "other_owner"),
    (re.compile(r"do not have a user named|does not exist|no such account", re.I), UpstreamNotFound, "absent"),
    (
        re.compile(r"username.*(already exists|is taken)|already exists.*username", re.I),
        UpstreamRejected,
        USERNAME_TAKEN,
    ),
    (re.compile(r"already exists|already set ?up", re.I), UpstreamRejected, DOMAIN_TAKEN),
    (re.compile(r"limit", re.I), UpstreamBusy, "capacity"),
)
"""Reasons are sentences and change between versions; first match wins, the rest is a plain refusal."""


class HostingAccount(Struct, frozen=True):
    """An account as WHM has it. `created_at` is epoch seconds."""

    username: str
    domain: str
    plan: str
    owner: str
    suspended: bool
    created_at: int


class NewHostingAccount(Struct, frozen=True):
    """What createacct needs. The username is chosen once, by the caller, and stored before the first call."""

    username: str
    domain: str
    plan: str
    contact_email: str


class WhmClient:
    """Typed calls; every vendor error comes out as one of `app.errors`."""

    def __init__(self, settings: Settings) -> None:
        self._base = settings.whm_url.rstrip("/") + "/json-api/"
        self._timeout_seconds = settings.whm_timeout_seconds
        authorization = {"Authorization": f"whm {settings.whm_user}:{settings.whm_token}"}
        self._forms = Forms(WHM, settings, concurrency=CONCURRENCY, headers=authorization)

    @classmethod
    async def open(cls, settings: Settings) -> "WhmClient":
        """A client; nothing is called yet."""
        return cls(settings)

    async def close(self) -> None:
        """Give the connections back."""
        await self._forms.close()

    async def account(self, username: str) -> HostingAccount | None:
        """The account of exactly this name, or nothing."""
        search = {"searchtype": "user", "search": username, "searchmethod": "exact"}
        data = await self._call("listaccts", search, write=False)
        found = data.get("acct")
        rows = found if isinstance(found, list) else []
        return next((_account(row) for row in rows if isinstance(row, dict) and row.get("user") == username), None)

    async def create_account(self, new: NewHostingAccount) -> None:
        """Create an account of a package. Limits are the package's; the password is generated and never shown."""
        params = {
            "username": new.username,
            "domain": new.domain,
            "plan": new.plan,
            "contactemail": new.contact_email,
            "showpass": "n",
        }
        await self._call("createacct", params, write=True)

    async def remove_account(self, username: str) -> None:
        """Remove an account with everything in it. There is no way back."""
        await self._call("removeacct", {"username": username}, write=True)

    async def version(self) -> str:
        """WHM's version: the cheapest probe of address and token."""
        return str((await self._call("version", {}, write=False)).get("version", ""))

    async def _call(self, function: str, params: Mapping[str, str], *, write: bool) -> dict[str, Any]:
        form = {**params, "api.version": "1"}
        answer = await self._forms.post(
            function, self._base + function, form, write=write, timeout_seconds=self._timeout_seconds
        )
        return _understood(function, answer, write)


def _understood(function: str, answer: Answer, write: bool) -> dict[str, Any]:
    if answer.status in (401, 403):
        raise UpstreamAuthFailed(WHM, function, f"HTTP {answer.status}")
    if failure := of_status(WHM, function, answer.status, write=write):
        raise failure
    try:
        body: dict[str, Any] = msgspec.json.decode(answer.content, type=dict[str, Any])
    except msgspec.DecodeError:
        body = {}
    metadata = body.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("command") != function:
        raise _unlike_an_answer(function, answer.status, body, write)
    if str(metadata.get("result")) != "1":
        raise _refusal(function, str(metadata.get("reason", "")))
    data = body.get("data")
    return data if isinstance(data, dict) else {}


def _unlike_an_answer(function: str, status: int, body: Mapping[str, Any], write: bool) -> UpstreamError:
    """Refusals from before the function ran have another shape; anything else may hide a finished write."""
    older = body.get("cpanelresult")
    message = older.get("error") if isinstance(older, Mapping) else body.get("statusmsg")
    if message:
        return _refusal(function, str(message))
    kind = OutcomeUnknown if write and status == 200 else UpstreamMalformed
    return kind(WHM, function, f"HTTP {status}: no metadata of {function}")


def _refusal(function: str, reason: str) -> UpstreamError:
    plain = _PREFIX.sub("", reason)
    for pattern, kind, code in PATTERNS:
        if pattern.search(plain):
            return kind(WHM, function, plain, vendor_code=code)
    return UpstreamRejected(WHM, function, plain)


def _account(row: Mapping[str, Any]) -> HostingAccount:
    return HostingAccount(
        username=str(row["user"]),
        domain=str(row.get("domain", "")),
        plan=str(row.get("plan", "")),
        owner=str(row.get("owner", "")),
        suspended=str(row.get("suspended", "0")) == "1",
        created_at=int(row.get("unix_startdate") or 0),
    )
