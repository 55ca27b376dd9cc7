"""The contents of a hosting account: databases, mailboxes, its certificate, a WordPress site.

Through cPanel's UAPI, called through WHM's `uapi_cpanel`, so that no password of an account is ever needed. The caller
chooses the names: a repeated request for the same name is refused with `already_exists` and creates nothing twice.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from app.errors import UpstreamMalformed
from app.intake import unreadable
from app.intake.text import scalar
from app.integrations.error_translation import translates_errors
from app.integrations.whm.client import WhmClient
from app.integrations.whm.faults import WHM

INSTALLED = "success"
"""WP Toolkit's status of a site that is installed and answers."""


class WordpressSite(Struct, frozen=True, kw_only=True):
    """The site of the account's main domain.

    `status` is the server's own word, of which only two are documented, so it is matched loosely; `plugins` are slugs.
    """

    status: str
    message: str = ""
    version: str = ""
    plugins: frozenset[str] = frozenset()

    @property
    def installed(self) -> bool:
        """True if it is installed and answers."""
        return self.status == INSTALLED

    @property
    def under_way(self) -> bool:
        """True while it is being installed."""
        return "progress" in self.status.lower()

    @property
    def failed(self) -> bool:
        """True if its installation failed."""
        return any(word in self.status.lower() for word in ("fail", "error"))


@translates_errors(WHM)
async def database_prefix(whm: WhmClient, username: str) -> str:
    """Read the mandatory prefix of database and user names; empty if the server requires none."""
    data = await whm.uapi(username, "Mysql::get_restrictions", {}, write=False)
    if data is not None and not isinstance(data, Mapping):
        raise UpstreamMalformed(WHM, "Mysql::get_restrictions", "no restrictions")
    return scalar((data or {}).get("prefix"))


@translates_errors(WHM)
async def databases(whm: WhmClient, username: str) -> dict[str, frozenset[str]]:
    """List databases with their users, by full names."""
    rows = await _rows(whm, username, "Mysql::list_databases", "database")
    return {name: _names("database", row.get("users")) for name, row in rows}


@translates_errors(WHM)
async def database_users(whm: WhmClient, username: str) -> frozenset[str]:
    """List all database users of the account, with or without access to a database."""
    return frozenset(name for name, _ in await _rows(whm, username, "Mysql::list_users", "user"))


@translates_errors(WHM)
async def create_database(whm: WhmClient, username: str, name: str) -> None:
    """Create a database; `name` is the full one."""
    await whm.uapi(username, "Mysql::create_database", {"name": name}, write=True)


@translates_errors(WHM)
async def create_database_user(whm: WhmClient, username: str, name: str, password: str) -> None:
    """Create a database user without privileges."""
    await whm.uapi(username, "Mysql::create_user", {"name": name, "password": password}, write=True)


@translates_errors(WHM)
async def grant(whm: WhmClient, username: str, user: str, database: str) -> None:
    """Grant a user all privileges on a database; safe to repeat."""
    wanted = {"user": user, "database": database, "privileges": "ALL PRIVILEGES"}
    await whm.uapi(username, "Mysql::set_privileges_on_database", wanted, write=True)


@translates_errors(WHM)
async def mailboxes(whm: WhmClient, username: str) -> frozenset[str]:
    """List the account's mailboxes, as full addresses in lower case."""
    return frozenset(name.lower() for name, _ in await _rows(whm, username, "Email::list_pops", "email"))


@translates_errors(WHM)
async def add_mailbox(
    whm: WhmClient, username: str, name: str, domain: str, password: str, *, quota_megabytes: int
) -> None:
    """Add a mailbox; a quota of 0 is unlimited. No mail is sent."""
    wanted = {"email": name, "domain": domain, "password": password, "quota": str(quota_megabytes)}
    await whm.uapi(username, "Email::add_pop", {**wanted, "send_welcome_email": "0"}, write=True)


@translates_errors(WHM)
async def certificate_check_runs(whm: WhmClient, username: str) -> bool:
    """Return true while AutoSSL is checking the account's domains."""
    return scalar(await whm.uapi(username, "SSL::is_autossl_check_in_progress", {}, write=False)).strip() == "1"


@translates_errors(WHM)
async def check_certificates(whm: WhmClient, username: str) -> None:
    """Start AutoSSL for the account's domains in the background: it issues what is missing. Safe to repeat."""
    await whm.uapi(username, "SSL::start_autossl_check", {}, write=True)


@translates_errors(WHM)
async def certificate_problem(whm: WhmClient, username: str, domain: str) -> str | None:
    """Return AutoSSL's reason why its last check issued no certificate for a domain; None without a problem."""
    rows = await _rows(whm, username, "SSL::get_autossl_problems", "domain")
    return next((scalar(row.get("problem")) or "no reason given" for name, row in rows if name == domain), None)


@translates_errors(WHM)
async def wordpress(whm: WhmClient, username: str) -> WordpressSite:
    """Read the WordPress site of the main domain, or the state of its installation."""
    data = await whm.uapi(username, "WordPressSite::retrieve", {}, write=False)
    if not isinstance(data, Mapping) or not isinstance(data.get("install_status"), str):
        raise UpstreamMalformed(WHM, "WordPressSite::retrieve", "no install_status")
    details = data.get("details")
    details = details if isinstance(details, Mapping) else {}
    # WP Toolkit keys plugins by slug.
    plugins = details.get("plugins")
    return WordpressSite(
        status=data["install_status"],
        message=scalar(details.get("msg")),
        version=scalar(details.get("version")),
        plugins=frozenset(map(str, plugins)) if isinstance(plugins, Mapping) else frozenset(),
    )


@translates_errors(WHM)
async def install_wordpress(whm: WhmClient, username: str) -> None:
    """Start the installation of the newest WordPress on the main domain, in the background."""
    await whm.uapi(username, "WordPressSite::create", {}, write=True)


async def _rows(whm: WhmClient, username: str, function: str, key: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Read a list with each row's name.

    These lists decide what need not be created, so a list with an unreadable name is refused as a whole.
    """
    data = await whm.uapi(username, function, {}, write=False)
    rows = [] if data is None else data
    if not isinstance(rows, list):
        raise UpstreamMalformed(WHM, function, f"no list of {key}")
    named = [(scalar(row.get(key)) if isinstance(row, Mapping) else "", row) for row in rows]
    if not all(name for name, _ in named):
        unreadable.note(WHM, function, key, username)
        raise UpstreamMalformed(WHM, function, f"a row without {key}")
    return named


def _names(object_name: str, value: Any) -> frozenset[str]:
    """Parse a list of names; an unreadable one is left out and counted."""
    names = value if isinstance(value, list) else [] if value is None else [None]
    for each in names:
        if not scalar(each):
            unreadable.note(WHM, object_name, "users", "")
    return frozenset(scalar(each) for each in names if scalar(each))
