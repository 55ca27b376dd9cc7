"""WHM API 1: hosting accounts.

Every call is a POST, because query strings land in access logs. The answer is always HTTP 200; `metadata.result` tells.
There is no idempotency key: look with `account` before `create_account`, and again after a doubt.
"""

import re
from collections.abc import Mapping
from typing import Any

import httpx
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
    UpstreamUnavailable,
)
from app.integrations.tls import trusted
from app.settings import Settings

WHM = "whm"
USER_AGENT = "customer-portal/0.1"

_PREFIX = re.compile(r"API failure:\s*|\(XID \w+\)\s*")
PATTERNS: tuple[tuple[re.Pattern[str], type[UpstreamError], str], ...] = (
    (re.compile(r"access denied|permission denied|function not found", re.I), UpstreamAuthFailed, "refused"),
    (re.compile(r"do not have a user named|does not exist|no such account", re.I), UpstreamNotFound, "absent"),
    (
        re.compile(r"username.*(already exists|is taken)|already exists.*username", re.I),
        UpstreamRejected,
        "username_taken",
    ),
    (re.compile(r"already exists|already setup", re.I), UpstreamRejected, "domain_taken"),
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
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(settings.whm_timeout_seconds, connect=5.0),
            verify=trusted(settings),
            trust_env=False,
            headers={
                "User-Agent": USER_AGENT,
                "Authorization": f"whm {settings.whm_user}:{settings.whm_token}",
            },
        )

    @classmethod
    async def open(cls, settings: Settings) -> "WhmClient":
        """A client; nothing is called yet."""
        return cls(settings)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def account(self, username: str) -> HostingAccount | None:
        """The account of exactly this name, or nothing."""
        search = {"searchtype": "user", "search": username, "searchmethod": "exact"}
        data = await self._call("listaccts", search, write=False)
        rows = [row for row in data.get("acct") or [] if row.get("user") == username]
        return _account(rows[0]) if rows else None

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

    async def version(self) -> str:
        """WHM's version: the cheapest probe of address and token."""
        return str((await self._call("version", {}, write=False)).get("version", ""))

    async def _call(self, function: str, params: Mapping[str, str], *, write: bool) -> dict[str, Any]:
        try:
            response = await self._http.post(self._base + function, data={**params, "api.version": "1"})
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise UpstreamUnavailable(WHM, function, repr(error)) from error
        except httpx.HTTPError as error:
            raise (OutcomeUnknown if write else UpstreamUnavailable)(WHM, function, repr(error)) from error
        return _answer(function, response, write)


def _answer(function: str, response: httpx.Response, write: bool) -> dict[str, Any]:
    status = response.status_code
    if status in (401, 403):
        raise UpstreamAuthFailed(WHM, function, f"HTTP {status}")
    if status >= 500:
        raise (OutcomeUnknown if write else UpstreamUnavailable)(WHM, function, f"HTTP {status}")
    try:
        body = msgspec.json.decode(response.content, type=dict[str, Any])
        metadata = body["metadata"]
        named, result = metadata["command"], metadata["result"]
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise UpstreamMalformed(WHM, function, f"HTTP {status}: no metadata") from error
    if named != function:
        raise UpstreamMalformed(WHM, function, f"answered for {named}")
    if str(result) == "1":
        return body.get("data") or {}
    raise _refusal(function, str(metadata.get("reason", "")))


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
