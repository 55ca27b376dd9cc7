"""The functions of the API: `FUNCTIONS` maps a name to what it does; every answer is data and the reason."""

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.clock import Clock
from sandbox.whm import uapi
from sandbox.whm.state import Account, Whm

Params = Mapping[str, str]
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_USER = re.compile(r"(?!test)[a-z][a-z0-9]{0,15}")


class Failed(Exception):
    """`metadata.result` 0; the message is the reason."""


class Outcome:
    """Payload (None for none), reason, and the log for people."""

    def __init__(self, data: dict[str, Any] | None = None, reason: str = "OK", raw: str = "") -> None:
        self.data, self.reason, self.raw = data, reason, raw


Function = Callable[[Whm, Clock, Params], Outcome]


def xid(text: str) -> str:
    """Return a reason with the volatile prefix that some versions put before it."""
    return f"API failure: (XID {secrets.token_hex(3)}) {text}"


def create_account(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """createacct."""
    user, domain = params.get("username", "").lower(), params.get("domain", "").lower()
    plan = params.get("plan") or params.get("pkgname") or "default"
    if not _USER.fullmatch(user):
        raise Failed(xid(f"Sorry, “{user}” is an invalid username."))
    if not _DOMAIN.fullmatch(domain):
        raise Failed("Sorry, that's an invalid domain.")
    if plan not in whm.packages:
        raise Failed(f"Sorry, the package “{plan}” does not exist.")
    if any(known[:8] == user[:8] for known in whm.accounts):
        raise Failed(xid("Sorry, a group for that username already exists."))
    if any(account.domain == domain for account in whm.accounts.values()):
        raise Failed(xid(f"Sorry, the domain “{domain}” already exists in the userdata."))
    if params.get("password") and params.get("pass"):
        raise Failed("Only one of “password” and “pass” may be given.")
    password = params.get("password") or params.get("pass") or secrets.token_urlsafe(12)
    owner, started = params.get("owner") or whm.user, int(clock.now().timestamp())
    email = params.get("contactemail") or "*unknown*"
    whm.accounts[user] = Account(user, domain, plan, owner, email, started, password)
    whm.changed()
    shown = f"| PassWord: {password}\n" if params.get("showpass", "y") != "n" else ""
    raw = f"Checking input data...\n| Domain: {domain}\n| UserName: {user}\n{shown}wwwacct creation finished\n"
    data = {"ip": whm.accounts[user].ip, "nameserver": "ns1.sandbox.invalid", "package": plan}
    return Outcome(data, "Account Creation Ok", raw)


def list_accounts(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """listaccts: the search is a regular expression unless an exact one is requested."""
    kind = {"package": "plan"}.get(params.get("searchtype", "user"), params.get("searchtype", "user"))
    search, exact = params.get("search", ""), params.get("searchmethod") == "exact"
    try:
        pattern = re.compile(search)
    except re.error as error:
        raise Failed(f"Invalid search expression: {error}") from error
    rows = []
    for account in (each for each in whm.accounts.values() if _is_seen(whm, each)):
        value = str(getattr(account, kind, ""))
        if not search or (value == search if exact else pattern.search(value)):
            rows.append(_row(whm, account))
    wanted = {each for each in params.get("want", "").split(",") if each}
    rows = [{key: value for key, value in row.items() if not wanted or key in wanted} for row in rows]
    return Outcome({"acct": _page(whm, params, rows)})


def _page(whm: Whm, params: Params, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the requested part of a list; the first row is number 1."""
    if params.get("api.chunk.enable") != "1" or not whm.pages:
        return rows
    size, start = int(params.get("api.chunk.size") or len(rows) or 1), int(params.get("api.chunk.start") or 1)
    return rows[start - 1 : start - 1 + size]


def account_summary(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """accountsummary."""
    if domain := params.get("domain"):
        found = next((each for each in whm.accounts.values() if each.domain == domain), None)
        if found is None:
            raise Failed(f"Account does not exist: {domain}")
        return Outcome({"acct": [_row(whm, found)]})
    return Outcome({"acct": [_row(whm, _account(whm, params.get("user", "")))]})


def suspend(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """suspendacct."""
    account = _account(whm, params.get("user", ""))
    if account.suspended:
        if whm.lenient:
            return Outcome(reason=f"{account.user}’s account has been suspended")
        raise Failed("The account is already suspended.")
    account.suspendreason = params.get("reason") or "Unknown"
    account.suspendtime, account.locked = int(clock.now().timestamp()), params.get("disallowun") == "1"
    whm.changed()
    return Outcome(reason=f"{account.user}’s account has been suspended")


def unsuspend(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """unsuspendacct: refused to a reseller when root locked it."""
    account = _account(whm, params.get("user", ""))
    if not account.suspended:
        if whm.lenient:
            return Outcome(reason=f"Unsuspending {account.user}’s account")
        raise Failed("The account is not suspended.")
    if account.locked and whm.user != "root":
        raise Failed("You do not have permission to unsuspend this account.")
    account.suspendreason, account.suspendtime, account.locked = "", None, False
    whm.changed()
    return Outcome(reason=f"Unsuspending {account.user}’s account")


def remove(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """removeacct; `user` is the deprecated name."""
    account = _account(whm, params.get("username") or params.get("user", ""))
    del whm.accounts[account.user]
    whm.changed()
    return Outcome(reason=f"{account.user} account removed", raw="Removing DNS Entries...Done\nRemoving User...Done\n")


def change_package(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """changepackage."""
    account, plan = _account(whm, params.get("user", "")), params.get("pkg", "")
    if plan not in whm.packages:
        raise Failed(f"Specified package “{plan}” does not exist.")
    account.plan, account.quota_mb = plan, None
    whm.changed()
    return Outcome(reason=f"Account Upgrade/Downgrade Complete for {account.user}", raw="Changing package...Done\n")


def edit_quota(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """editquota: in MB, 0 and `unlimited` for none; the next change of package drops it."""
    account, quota = _account(whm, params.get("user", "")), params.get("quota", "")
    if quota != "unlimited" and not quota.isdecimal():
        raise Failed("Invalid quota.")
    account.quota_mb = 0 if quota == "unlimited" else int(quota)
    whm.changed()
    return Outcome(reason=f"Set quota for {account.user}")


def list_packages(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """listpkgs."""
    return Outcome({"pkg": [{"name": name, **limits} for name, limits in whm.packages.items()]})


def change_password(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """passwd."""
    account, password = _account(whm, params.get("user", "")), params.get("password", "")
    if len(password) < 8:
        raise Failed("Sorry, the password you selected cannot be used because its password strength is too low.")
    account.password = password
    whm.changed()
    return Outcome({"app": ["system", "ftp", "mail"]}, "Password changed for user “" + account.user + "”.")


def create_session(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """create_user_session."""
    account, service = _account(whm, params.get("user", "")), params.get("service", "cpaneld")
    token, session = f"/cpsess{secrets.randbelow(10**10):010d}", f"{account.user}:{secrets.token_urlsafe(12)}"
    port = {"cpaneld": 2083, "whostmgrd": 2087, "webmaild": 2096}.get(service)
    if port is None:
        raise Failed(f"Invalid service “{service}”.")
    data = {
        "url": f"https://{whm.hostname}:{port}{token}/login/?session={session}",
        "session": session,
        "cp_security_token": token,
        "service": service,
        "expires": int(clock.now().timestamp()) + 900,
        "locale": "en",
    }
    return Outcome(data, "Created session")


def version(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """version."""
    return Outcome({"version": whm.version})


def my_privileges(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """myprivs: 1 for root, "1" for a reseller; what is not granted is 0, empty or absent."""
    granted: int | str = 1 if whm.user == "root" else "1"
    names = (
        "create-acct",
        "suspend-acct",
        "list-accts",
        "kill-acct",
        "upgrade-account",
        "passwd",
        "quota",
        "cpanel-api",
    )
    privileges = dict.fromkeys(names, granted) | {"create-user-session": granted, "all": 0, "edit-account": ""}
    return Outcome({"privileges": [privileges]})


def _account(whm: Whm, user: str) -> Account:
    account = whm.accounts.get(user)
    if account is None:
        raise Failed(xid(f"You do not have a user named “{user}”."))
    if not _is_seen(whm, account):
        raise Failed(f"You do not have access to an account named “{user}”.")
    return account


def _is_seen(whm: Whm, account: Account) -> bool:
    """Return whether the token may see an account: a reseller's sees only its own."""
    return whm.user == "root" or account.owner == whm.user


def _row(whm: Whm, account: Account) -> dict[str, Any]:
    started = datetime.fromtimestamp(account.unix_startdate, UTC)
    quota = whm.packages.get(account.plan, {}).get("QUOTA", "unlimited")
    quota = quota if account.quota_mb is None else str(account.quota_mb)
    used = sum(map(ord, account.user)) % 900 if account.disk_used_mb is None else account.disk_used_mb
    return {
        "user": account.user,
        "domain": account.domain,
        "email": account.email,
        "ip": account.ip,
        "owner": account.owner,
        "plan": account.plan,
        "partition": "home",
        "theme": "jupiter",
        "startdate": started.strftime("%y %b %d %H:%M"),
        "unix_startdate": account.unix_startdate,
        "suspended": int(account.suspended),
        "suspendreason": account.suspendreason or "not suspended",
        "suspendtime": account.suspendtime,
        "is_locked": int(account.locked),
        "disklimit": f"{quota}M" if quota.isdecimal() and quota != "0" else "unlimited",
        "diskused": f"{used}M",
        "maxpop": "unlimited",
        "maxsql": "unlimited",
        "maxaddons": "*unknown*",
        "maxparked": "*unknown*",
        "outgoing_mail_suspended": 0,
        "inodesused": 120,
        "uid": str(1_000 + sum(map(ord, account.user))),
    }


def call_uapi(whm: Whm, clock: Clock, params: Params) -> Outcome:
    """uapi_cpanel: succeeds whatever the function within says."""
    account = _account(whm, params.get("cpanel.user", ""))
    return Outcome({"uapi": uapi.answer(whm, clock, account, params)})


FUNCTIONS: dict[str, Function] = {
    "createacct": create_account,
    "listaccts": list_accounts,
    "accountsummary": account_summary,
    "suspendacct": suspend,
    "unsuspendacct": unsuspend,
    "removeacct": remove,
    "changepackage": change_package,
    "editquota": edit_quota,
    "listpkgs": list_packages,
    "passwd": change_password,
    "create_user_session": create_session,
    "version": version,
    "myprivs": my_privileges,
    uapi.FUNCTION: call_uapi,
}
