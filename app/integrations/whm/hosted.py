"""What stands in a hosting account: databases, mailboxes, its certificate, a WordPress site.

By cPanel's UAPI, called through WHM's `uapi_cpanel`, so that no password of an account is ever needed. Names are the
caller's: whoever asks twice for the same name is refused with `already_exists` and has made nothing twice.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from app.errors import UpstreamMalformed
from app.integrations.whm.client import WhmClient
from app.integrations.whm.faults import WHM

INSTALLED = "success"
"""What WP Toolkit calls a site that is there and answers."""


class WordpressSite(Struct, frozen=True, kw_only=True):
    """The site of the account's main domain. `status` is the server's own word, of which only two are documented, so it
    is read loosely; `plugins` are slugs."""

    status: str
    message: str = ""
    version: str = ""
    plugins: frozenset[str] = frozenset()

    @property
    def installed(self) -> bool:
        """Whether it is there and answers."""
        return self.status == INSTALLED

    @property
    def under_way(self) -> bool:
        """Whether it is being installed just now."""
        return "progress" in self.status.lower()

    @property
    def failed(self) -> bool:
        """Whether an installation came to nothing."""
        return any(word in self.status.lower() for word in ("fail", "error"))


async def database_prefix(whm: WhmClient, username: str) -> str:
    """What the names of the account's databases and their users must begin with; empty where the server wants none."""
    data = await whm.uapi(username, "Mysql::get_restrictions", {}, write=False)
    return str((data if isinstance(data, Mapping) else {}).get("prefix") or "")


async def databases(whm: WhmClient, username: str) -> dict[str, frozenset[str]]:
    """Database → its users, full names both."""
    rows = await _rows(whm, username, "Mysql::list_databases", "database")
    return {str(row["database"]): frozenset(map(str, row.get("users") or ())) for row in rows}


async def database_users(whm: WhmClient, username: str) -> frozenset[str]:
    """Every database user of the account, whether it may use a database or not."""
    return frozenset(str(row["user"]) for row in await _rows(whm, username, "Mysql::list_users", "user"))


async def create_database(whm: WhmClient, username: str, name: str) -> None:
    """Create a database; `name` is the full one."""
    await whm.uapi(username, "Mysql::create_database", {"name": name}, write=True)


async def create_database_user(whm: WhmClient, username: str, name: str, password: str) -> None:
    """Create a database user that may do nothing yet."""
    await whm.uapi(username, "Mysql::create_user", {"name": name, "password": password}, write=True)


async def grant(whm: WhmClient, username: str, user: str, database: str) -> None:
    """Let a user do everything with a database; harmless to repeat."""
    wanted = {"user": user, "database": database, "privileges": "ALL PRIVILEGES"}
    await whm.uapi(username, "Mysql::set_privileges_on_database", wanted, write=True)


async def mailboxes(whm: WhmClient, username: str) -> frozenset[str]:
    """The account's mailboxes, as whole addresses in lower case."""
    return frozenset(str(row["email"]).lower() for row in await _rows(whm, username, "Email::list_pops", "email"))


async def add_mailbox(
    whm: WhmClient, username: str, name: str, domain: str, password: str, *, quota_megabytes: int
) -> None:
    """Add a mailbox; a quota of 0 is none. Nobody is mailed."""
    wanted = {"email": name, "domain": domain, "password": password, "quota": str(quota_megabytes)}
    await whm.uapi(username, "Email::add_pop", {**wanted, "send_welcome_email": "0"}, write=True)


async def certificate_check_runs(whm: WhmClient, username: str) -> bool:
    """Whether AutoSSL is at the account's domains just now."""
    return str(await whm.uapi(username, "SSL::is_autossl_check_in_progress", {}, write=False)) == "1"


async def check_certificates(whm: WhmClient, username: str) -> None:
    """Have AutoSSL look at the account's domains, and issue what is missing, in the background; harmless to repeat."""
    await whm.uapi(username, "SSL::start_autossl_check", {}, write=True)


async def certificate_problem(whm: WhmClient, username: str, domain: str) -> str | None:
    """Why AutoSSL's last check issued no certificate for a domain, in its words; nothing when it had no problem."""
    rows = await _rows(whm, username, "SSL::get_autossl_problems", "domain")
    return next((str(row.get("problem") or "no reason given") for row in rows if row["domain"] == domain), None)


async def wordpress(whm: WhmClient, username: str) -> WordpressSite:
    """The WordPress site of the main domain, or how far its installation is."""
    data = await whm.uapi(username, "WordPressSite::retrieve", {}, write=False)
    if not isinstance(data, Mapping) or not isinstance(data.get("install_status"), str):
        raise UpstreamMalformed(WHM, "WordPressSite::retrieve", "no install_status")
    details = data.get("details")
    details = details if isinstance(details, Mapping) else {}
    # WP Toolkit keys plugins by slug.
    plugins = details.get("plugins")
    return WordpressSite(
        status=data["install_status"],
        message=str(details.get("msg") or ""),
        version=str(details.get("version") or ""),
        plugins=frozenset(map(str, plugins)) if isinstance(plugins, Mapping) else frozenset(),
    )


async def install_wordpress(whm: WhmClient, username: str) -> None:
    """Have WP Toolkit install the newest WordPress on the main domain, in the background."""
    await whm.uapi(username, "WordPressSite::create", {}, write=True)


async def _rows(whm: WhmClient, username: str, function: str, key: str) -> list[Mapping[str, Any]]:
    """A list, every row of which has the key it is told apart by."""
    data = await whm.uapi(username, function, {}, write=False)
    rows = [] if data is None else data
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) and key in row for row in rows):
        raise UpstreamMalformed(WHM, function, f"no list of {key}")
    return rows
