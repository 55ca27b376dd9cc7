"""WHM API 1: hosting accounts.

Every call is a POST, because query strings end up in access logs. The answer is always HTTP 200; `metadata.result`
states success. There is no idempotency key: check with `account` or `summary` before changing anything, and again after
an unknown outcome.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.errors import UpstreamMalformed, UpstreamNotFound
from app.intake import parse
from app.intake.text import scalar
from app.integrations.admission.admission import unshared
from app.integrations.admission.upstream_admission import UpstreamAdmission
from app.integrations.error_translation import translates_all_errors
from app.integrations.forms import Forms
from app.integrations.whm import records
from app.integrations.whm.faults import WHM, uapi_understood, understood
from app.integrations.whm.shapes import AccountList, ControlPanelSession, HostingAccount, NewHostingAccount
from app.settings import Settings

__all__ = ["ControlPanelSession", "HostingAccount", "NewHostingAccount", "WhmClient"]

CONCURRENCY = 4
CONTROL_PANEL = "cpaneld"
PAGE = 500
MOST_PAGES = 200
WANTED = "user,domain,plan,owner,suspended,suspendreason,is_locked,unix_startdate,disklimit"
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
        return records.named(username, await self._call("listaccts", search, write=False))

    async def hosting(self, domain: str) -> HostingAccount | None:
        """Find the account whose main domain this is, spelled as DNS does; None if the token sees none."""
        search = {"searchtype": "domain", "search": domain, "searchmethod": "exact"}
        return records.hosting(domain, await self._call("listaccts", search, write=False))

    async def summary(self, username: str) -> HostingAccount | None:
        """Read the account with its usage; None if there is none."""
        try:
            data = await self._call("accountsummary", {"user": username}, write=False)
        except UpstreamNotFound:
            return None
        return records.named(username, data)

    async def accounts(self) -> AccountList:
        """List the accounts that the token may see, page by page.

        Servers that know no pages return everything each time, so the list ends with a page without a new name. Rows
        may move between pages: absence from the list proves nothing about an account.
        """
        found: dict[str, HostingAccount] = {}
        for page in range(MOST_PAGES):
            window = {"api.chunk.enable": "1", "api.chunk.size": str(PAGE), "api.chunk.start": str(page * PAGE + 1)}
            data = await self._call("listaccts", {"want": WANTED, **window}, write=False)
            rows, known = records.rows(data), len(found)
            found = {**records.all_of(rows), **found}
            if len(rows) < PAGE or len(found) == known:
                return AccountList(list(found.values()), complete=True)
        return AccountList(list(found.values()), complete=False)

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

    async def privileges(self) -> frozenset[str]:
        """Read what the token may do, by WHM's names. A privilege is granted by 1 or "1"."""
        found = (await self._call("myprivs", {}, write=False)).get("privileges")
        rows = found if isinstance(found, list) else [found]
        return frozenset(
            str(name)
            for row in rows
            if isinstance(row, Mapping)
            for name, granted in row.items()
            if scalar(granted).strip() == "1"
        )

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
