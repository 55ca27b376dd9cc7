"""UAPI: functions within an account, reached through WHM's `uapi_cpanel`.

The function's own success or failure is `status` within the answer; the call around it succeeds either way.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.clock import Clock
from sandbox.whm.state import Account, Whm

FUNCTION = "uapi_cpanel"
SHORTEST_PASSWORD = 8

Params = Mapping[str, str]


class Refused(Exception):
    """`status` 0; the message is the one error."""


class Call:
    """One call: where, when, by whom and with what."""

    def __init__(self, whm: Whm, clock: Clock, account: Account, params: Params) -> None:
        self.whm, self.account, self.params = whm, account, params
        self.now = clock.now().timestamp()
        self.prefix = f"{account.user[:8]}_"

    def required(self, name: str) -> str:
        """Return a mandatory parameter, or refuse."""
        if not (value := self.params.get(name, "")):
            raise Refused(f"The parameter “{name}” is required.")
        return value

    def named(self) -> str:
        """Return a name that begins with the account's prefix, or refuse."""
        if not (name := self.required("name")).startswith(self.prefix):
            raise Refused(f"The name “{name}” does not begin with the required prefix “{self.prefix}”.")
        return name

    def password(self) -> str:
        """Return a password that is strong enough, or refuse."""
        if len(given := self.required("password")) < SHORTEST_PASSWORD:
            raise Refused("Sorry, the password you selected cannot be used because its password strength is too low.")
        return given

    def room_for(self, kind: str, present: int) -> None:
        """Refuse when the package does not allow one more."""
        if present >= self.whm.limits.get(kind, 1_000):
            raise Refused(f"You have reached your maximum allotment of {kind} ({present}).")


def operation_of(params: Params) -> str:
    """Return the name of a call in the log and in faults."""
    return f"{params.get('cpanel.module', '')}::{params.get('cpanel.function', '')}"


def answer(whm: Whm, clock: Clock, account: Account, params: Params) -> dict[str, Any]:
    """UAPI's answer. Names of modules and functions are case-sensitive."""
    module, function_name, name = params.get("cpanel.module"), params.get("cpanel.function"), operation_of(params)
    try:
        if name not in FUNCTIONS:
            if not any(known.startswith(f"{module}::") for known in FUNCTIONS):
                raise Refused(f"Failed to load module “{module}”: Can't locate Cpanel/API/{module}.pm in @INC")
            raise Refused(f"The system could not find the function “{function_name}” in the module “{module}”.")
        feature, function = FUNCTIONS[name]
        if feature in whm.missing:
            raise Refused(f"You do not have the feature “{feature}”.")
        status, data, errors = 1, function(Call(whm, clock, account, params)), None
    except Refused as error:
        status, data, errors = 0, None, [str(error)]
    return {"data": data, "errors": errors, "messages": None, "metadata": {}, "status": status, "warnings": None}


def restrictions(call: Call) -> Any:
    """Mysql::get_restrictions."""
    return {"max_database_name_length": 64, "max_username_length": 32, "prefix": call.prefix}


def list_databases(call: Call) -> Any:
    """Mysql::list_databases."""
    held = call.account.databases
    return [{"database": name, "disk_usage": 0, "users": sorted(users)} for name, users in held.items()]


def list_users(call: Call) -> Any:
    """Mysql::list_users."""
    return [
        {
            "user": user,
            "shortuser": user.removeprefix(call.prefix),
            "databases": [name for name, users in call.account.databases.items() if user in users],
        }
        for user in call.account.database_users
    ]


def create_database(call: Call) -> Any:
    """Mysql::create_database."""
    if (name := call.named()) in call.account.databases:
        raise Refused(f"The database “{name}” already exists.")
    call.room_for("databases", len(call.account.databases))
    call.account.databases[name] = set()
    call.whm.changed()
    return None


def create_user(call: Call) -> Any:
    """Mysql::create_user."""
    if (name := call.named()) in call.account.database_users:
        raise Refused(f"The database user “{name}” already exists.")
    call.account.database_users[name] = call.password()
    call.whm.changed()
    return None


def set_privileges(call: Call) -> Any:
    """Mysql::set_privileges_on_database."""
    user, database = call.required("user"), call.required("database")
    call.required("privileges")
    if database not in call.account.databases or user not in call.account.database_users:
        raise Refused(f"You do not have access to “{user}” or “{database}”.")
    call.account.databases[database].add(user)
    call.whm.changed()
    return None


def list_pops(call: Call) -> Any:
    """Email::list_pops: the account's own name stands there as well, without a domain."""
    main = {"email": call.account.user, "login": "Main Account", "suspended_login": 0}
    return [main, *({"email": each, "login": each, "suspended_login": 0} for each in call.account.mailboxes)]


def add_pop(call: Call) -> Any:
    """Email::add_pop."""
    name, domain = call.required("email"), call.params.get("domain") or call.account.domain
    address = f"{name}@{domain}".lower()
    if domain != call.account.domain:
        raise Refused(f"You do not own the domain “{domain}”.")
    if name == "cpanel":
        raise Refused("“cpanel” cannot be used as the name of an email account.")
    if address in call.account.mailboxes:
        raise Refused(f"The account {address} already exists!")
    call.room_for("email accounts", len(call.account.mailboxes))
    call.account.mailboxes[address] = call.password()
    call.whm.changed()
    return f"{name}+{domain}"


def start_autossl_check(call: Call) -> Any:
    """SSL::start_autossl_check: in the background."""
    call.account.autossl_until = call.now + call.whm.delay_seconds
    call.whm.changed()
    return None


def autossl_in_progress(call: Call) -> Any:
    """SSL::is_autossl_check_in_progress."""
    return int((call.account.autossl_until or 0.0) > call.now)


def autossl_problems(call: Call) -> Any:
    """SSL::get_autossl_problems: of the last check that ended."""
    domain, until = call.account.domain, call.account.autossl_until
    if domain not in call.whm.unreachable or until is None or until > call.now:
        return []
    at = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return [{"domain": domain, "problem": f"“{domain}” does not resolve to this server.", "time": at}]


def create_wordpress(call: Call) -> Any:
    """WordPressSite::create: in the background, on the main domain; refused while a site is there or on its way."""
    if call.account.wordpress_until is not None and not call.account.wordpress_error:
        raise Refused("WordPress is already installed, or is being installed, on the primary domain.")
    call.account.wordpress_asked_at, call.account.wordpress_error = call.now, call.whm.wordpress_fails
    call.account.wordpress_until = call.now + call.whm.delay_seconds
    call.whm.changed()
    return "WordPress installation has started."


def retrieve_wordpress(call: Call) -> Any:
    """WordPressSite::retrieve: what WP Toolkit knows of the site, or how far the installation is. What was asked for
    just now it may not know of yet."""
    until, domain = call.account.wordpress_until, call.account.domain
    if until is None or call.now < call.account.wordpress_asked_at + call.whm.lag_seconds:
        return {"install_status": "not installed", "details": {"msg": ""}}
    if until > call.now:
        return {"install_status": "in progress", "details": {"msg": "Installing WordPress…"}}
    if call.account.wordpress_error:
        return {"install_status": "failed", "details": {"msg": call.account.wordpress_error}}
    plugins = {slug: {"name": slug, "status": "active", "version": "1.0"} for slug in call.whm.wordpress_set}
    site = {"id": 17, "siteUrl": f"https://{domain}", "path": "/public_html", "version": "6.8.3", "plugins": plugins}
    return {"install_status": "success", "details": {**site, "alive": True, "hidden": False, "plugins": plugins}}


FUNCTIONS: dict[str, tuple[str, Callable[[Call], Any]]] = {
    "Mysql::get_restrictions": ("mysql", restrictions),
    "Mysql::list_databases": ("mysql", list_databases),
    "Mysql::list_users": ("mysql", list_users),
    "Mysql::create_database": ("mysql", create_database),
    "Mysql::create_user": ("mysql", create_user),
    "Mysql::set_privileges_on_database": ("mysql", set_privileges),
    "Email::list_pops": ("popaccts", list_pops),
    "Email::add_pop": ("popaccts", add_pop),
    "SSL::start_autossl_check": ("autossl", start_autossl_check),
    "SSL::is_autossl_check_in_progress": ("autossl", autossl_in_progress),
    "SSL::get_autossl_problems": ("autossl", autossl_problems),
    "WordPressSite::create": ("wp-toolkit", create_wordpress),
    "WordPressSite::retrieve": ("wp-toolkit", retrieve_wordpress),
}
"""Function → the feature that the account must have, and what it does."""
