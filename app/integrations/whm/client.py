"""WHM API 1: hosting accounts.

Every call is a POST, because query strings end up in access logs. The answer is always HTTP 200; `metadata.result`
states success. There is no idempotency key: check with `account` or `summary` before changing anything, and again after
an unknown outcome.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.errors import UpstreamMalformed, UpstreamNotFound
from app.intake import parse
from app.intake.fields import Fields
from app.intake.text import scalar
from app.integrations.admission.admission import unshared
from app.integrations.admission.upstream_admission import UpstreamAdmission
from app.integrations.error_translation import translates_all_errors
from app.integrations.forms import Forms
from app.integrations.whm.faults import WHM, uapi_understood, understood
from app.integrations.whm.shapes import ControlPanelSession, HostingAccount, NewHostingAccount
from app.settings import Settings

__all__ = ["ControlPanelSession", "HostingAccount", "NewHostingAccount", "WhmClient"]

CONCURRENCY = 4
CONTROL_PANEL = "cpaneld"
MEGABYTES = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([KMGT])")
LAST_SECOND = 253_402_300_800
"""The end of the calendar, in epoch seconds."""


@translates_all_errors(WHM)
class WhmClient:
    """Typed calls; every vendor error is raised as one of `app.errors`."""

    def __init__(self, settings: Settings, admission: UpstreamAdmission | None = None) -> None:
        self._admission = admission or unshared(WHM, settings)
        self._base = settings.whm_url.rstrip("/") + "/json-api/"
        self._timeout_seconds = settings.whm_timeout_seconds
        self._read_timeout_seconds = min(settings.whm_read_timeout_seconds, settings.whm_timeout_seconds)
        authorization = {"Authorization": f"whm {settings.whm_user}:{settings.whm_token}"}
        self._forms = Forms(WHM, settings, concurrency=CONCURRENCY, headers=authorization)

    @classmethod
    async def open(cls, settings: Settings, admission: UpstreamAdmission | None = None) -> "WhmClient":
        """Create a client; nothing is called yet."""
        return cls(settings, admission)

    async def close(self) -> None:
        """Close the connections to WHM."""
        await self._forms.close()

    async def account(self, username: str) -> HostingAccount | None:
        """Read the account with exactly this name; None if there is none."""
        search = {"searchtype": "user", "search": username, "searchmethod": "exact"}
        return _named(username, await self._call("listaccts", search, write=False))

    async def summary(self, username: str) -> HostingAccount | None:
        """Read the account with its usage; None if there is none."""
        try:
            data = await self._call("accountsummary", {"user": username}, write=False)
        except UpstreamNotFound:
            return None
        return _named(username, data)

    async def create_account(self, new: NewHostingAccount) -> None:
        """Create an account with a package's limits; the password is generated and never shown."""
        params = {
            "username": new.username,
            "domain": new.domain,
            "plan": new.plan,
            "contactemail": new.contact_email,
            "showpass": "n",
        }
        await self._call("createacct", params, write=True)

    async def suspend(self, username: str, reason: str) -> None:
        """Suspend an account: site and mail stop, nothing is deleted.

        Raises:
            UpstreamRejected: `already_suspended`; some versions answer success instead.
        """
        await self._call("suspendacct", {"user": username, "reason": reason, "disallowun": "0"}, write=True)

    async def unsuspend(self, username: str) -> None:
        """Lift a suspension.

        Raises:
            UpstreamRejected: `not_suspended`; `locked` when only root may lift it.
        """
        await self._call("unsuspendacct", {"user": username}, write=True)

    async def change_package(self, username: str, package: str) -> None:
        """Move an account to another package with all its limits; individual limits are lost.

        Raises:
            UpstreamRejected: `package_missing`.
        """
        await self._call("changepackage", {"user": username, "pkg": package}, write=True)

    async def remove_account(self, username: str) -> None:
        """Delete an account with everything in it. This cannot be undone."""
        await self._call("removeacct", {"username": username}, write=True)

    async def control_panel(self, username: str) -> ControlPanelSession:
        """Create a single-use session in the account's control panel. Each call creates a new one."""
        data = await self._call("create_user_session", {"user": username, "service": CONTROL_PANEL}, write=False)
        url = scalar(data.get("url"))
        if not url.startswith("https://"):
            raise UpstreamMalformed(WHM, "create_user_session", "success without an https url")
        expires = parse.whole_number(data.get("expires"))
        if expires is None or not 0 < expires < LAST_SECOND:
            raise UpstreamMalformed(WHM, "create_user_session", "success without expires")
        return ControlPanelSession(url, datetime.fromtimestamp(expires, UTC))

    async def version(self) -> str:
        """Read WHM's version: the cheapest probe of address and token."""
        return scalar((await self._call("version", {}, write=False)).get("version"))

    async def uapi(self, username: str, function: str, params: Mapping[str, str], *, write: bool) -> Any:
        """Call a function of cPanel's UAPI, as `Module::function`, as the account's own user.

        Raises:
            UpstreamRejected: `feature_missing`, the server or the account's package lacks it; `already_exists`;
                `quota_reached`.
            UpstreamNotFound: there is no such account.
        """
        module, _, name = function.partition("::")
        within = {"cpanel.user": username, "cpanel.module": module, "cpanel.function": name}
        data = await self._call("uapi_cpanel", {**params, **within}, write=write, operation=function)
        return uapi_understood(function, data, write)

    async def _call(
        self, function: str, params: Mapping[str, str], *, write: bool, operation: str = ""
    ) -> dict[str, Any]:
        """Make one call. Errors name `operation` where one function serves several."""
        form = {**params, "api.version": "1"}
        seconds = self._timeout_seconds if write else self._read_timeout_seconds
        url = self._base + function
        async with self._admission.admitted(operation or function, key=f"{function} {params}"):
            answer = await self._forms.post(operation or function, url, form, write=write, timeout_seconds=seconds)
            return understood(function, answer, write, operation)


def _named(username: str, data: Mapping[str, Any]) -> HostingAccount | None:
    """Find the row of exactly this user: a search may return more, and another's account must not be used.

    Raises:
        UpstreamMalformed: there is no list, or a row lacks its user; either may hide the account.
    """
    rows = data.get("acct")
    if not isinstance(rows, list):
        raise UpstreamMalformed(WHM, "acct", "success without a list of accounts")
    found = next((row for row in rows if isinstance(row, Mapping) and scalar(row.get("user")) == username), None)
    if found is None and not all(isinstance(row, Mapping) and scalar(row.get("user")) for row in rows):
        raise UpstreamMalformed(WHM, "acct", "an account without a user")
    return None if found is None else _account(username, found)


def _account(username: str, row: Mapping[str, Any]) -> HostingAccount:
    fields = Fields(WHM, "account", username, row)
    suspended = _yes(fields, "suspended")
    return HostingAccount(
        username=username,
        domain=scalar(row.get("domain")),
        plan=scalar(row.get("plan")),
        owner=scalar(row.get("owner")),
        suspended=suspended,
        created_at=fields.whole_number("unix_startdate") or 0,
        locked=_yes(fields, "is_locked"),
        suspend_reason=scalar(row.get("suspendreason")) if suspended else "",
        disk_used_megabytes=_megabytes(row.get("diskused")),
        disk_limit_megabytes=_megabytes(row.get("disklimit")),
    )


def _yes(fields: Fields, name: str) -> bool:
    """Parse a flag: 0 and 1, as numbers or texts, and true and false in newer functions."""
    value = fields.values.get(name)
    return value if isinstance(value, bool) else fields.whole_number(name) == 1


def _megabytes(value: Any) -> int | None:
    """Parse `500M`, `1.5G`; None for `unlimited`, `*unknown*` and anything else that is not a size."""
    found = _SIZE.fullmatch(scalar(value).strip())
    return round(float(found.group(1)) * MEGABYTES[found.group(2)]) if found else None
