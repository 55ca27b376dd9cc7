"""WHMCS's users: log-ins, as opposed to clients, who are billed.

A user owns any number of clients, and may have access to others' clients. Only a user's id proves ownership of a
client. A client's address proves nothing: anybody may register a log-in with it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from msgspec import Struct

from app.errors import OutcomeUnknown, UpstreamAuthFailed, UpstreamNotFound, UpstreamRejected, UpstreamUnavailable
from app.integrations.error_translation import translates_all_errors
from app.integrations.whmcs import lists, records
from app.integrations.whmcs.api import Api
from app.integrations.whmcs.faults import WHMCS, understood
from app.integrations.whmcs.records import WhmcsRecord
from app.integrations.whmcs.wire import as_list, collection, identifier, known_id, yes_or_no

MOST_CLIENTS = 50
"""Limit of clients examined per user; owners of more need manual help."""

MOST_PAGES = 10
"""Limit of pages of users examined: few addresses begin with a complete other one.

An installation that ignores the search would list all users.
"""

log = structlog.get_logger()


class Login(Struct, frozen=True):
    """A user whose password was correct. `second_factor`: WHMCS requires more than the password of this user."""

    user_id: str
    second_factor: bool


@translates_all_errors(WHMCS)
class Users:
    """The log-ins of one installation."""

    def __init__(self, api: Api, customer_number_field_id: int) -> None:
        self._api = api
        self._customer_number_field_id = customer_number_field_id

    async def validate_login(self, email: str, password: str) -> Login | None:
        """Check an address and password; returns the user. A second factor cannot be verified here, only reported.

        Called once: repeating a wrong password counts towards a ban.

        Raises:
            UpstreamUnavailable: no answer, or one without a user.
        """
        action = "ValidateLogin"
        try:
            body = await self._api.call(action, {"email": email, "password2": password}, write=True)
        except UpstreamRejected:
            return None
        except OutcomeUnknown as error:  # it changes nothing, so there is nothing to check
            raise UpstreamUnavailable(WHMCS, error.operation, error.reason) from error
        try:
            return Login(known_id(body.get("userid")), _asks_second_factor(body))
        except ValueError as error:  # it proves no particular user
            raise UpstreamUnavailable(WHMCS, action, "success without userid") from error

    async def clients_owned_by(self, user_id: str, email: str) -> list[WhmcsRecord]:
        """List the clients that this user owns, by id; `email` is the user's own.

        Each is read, and counts only if `GetUsers` or the client itself names this user as its owner, and neither
        contradicts it. If the API role does not allow `GetUsers` (available since 8.1), only the client with the user's
        address is found.
        """
        claims = await self._claims(user_id, email)
        if claims is None:
            claims = await self._with_address(email)
        if len(claims) > MOST_CLIENTS:
            log.warning("user_owns_many_clients", whmcs_user_id=user_id, clients=len(claims))
        first = sorted(claims, key=int)[:MOST_CLIENTS]
        found = await asyncio.gather(*(self._owned(user_id, each, claims[each]) for each in first))
        return [each for each in found if each is not None]

    async def _claims(self, user_id: str, email: str) -> dict[str, bool | None] | None:
        """Map client ids to the ownership that `GetUsers` states; None if it does not list this user's clients.

        The search matches prefixes, so its first result may be another user.
        """
        action = "GetUsers"
        start = 0
        for _ in range(MOST_PAGES):
            try:
                found = await lists.page(self._api.call, action, {"search": email}, "users", "user", start=start)
            except UpstreamAuthFailed as error:
                log.warning("whmcs_role_lacks_action", action=action, reason=error.reason)
                return None
            row = next((each for each in found.rows if isinstance(each, Mapping) and _id_of(each) == user_id), None)
            if row is not None:
                with understood(action):
                    return _claims_of(row.get("clients"))
            start += len(found.rows)
            if not found.rows or (found.total is not None and start >= found.total):
                break
        return None

    async def _with_address(self, email: str) -> dict[str, bool | None]:
        """Find the client with this address, of unknown ownership."""
        action = "GetClientsDetails"
        try:
            body = await self._api.call(action, {"email": email})
        except UpstreamNotFound:
            return {}
        with understood(action):
            return {records.client(body, self._customer_number_field_id).record_id: None}

    async def _owned(self, user_id: str, client_id: str, claimed: bool | None) -> WhmcsRecord | None:
        """Read a client, if this user owns it."""
        action = "GetClientsDetails"
        if claimed is False:
            return None
        try:
            body = await self._api.call(action, {"clientid": client_id})
        except UpstreamNotFound:
            return None
        with understood(action):
            record = records.client(body, self._customer_number_field_id)
            if record.record_id != client_id:
                raise ValueError("another client than the one asked for")
            said = {claimed, *_said(body, user_id)}
        return record if True in said and False not in said else None


def _asks_second_factor(body: Mapping[str, Any]) -> bool:
    """Return false only if WHMCS clearly says no.

    It returns its own session, `passwordhash`, only for a complete log-in.
    """
    opened = body.get("passwordhash")
    named = {str(name).replace("_", "").lower(): value for name, value in body.items()}
    said = named.get("twofactorenabled")
    off = said is None or yes_or_no(said) is False
    return not (off and isinstance(opened, str) and opened.strip())


def _claims_of(clients: Any) -> dict[str, bool | None] | None:
    return None if clients is None else dict(_claim(each) for each in collection(clients, "client"))


def _claim(row: Any) -> tuple[str, bool | None]:
    """Parse one of a user's clients, which some installations name by its id alone."""
    if not isinstance(row, Mapping):
        return known_id(row), None
    return known_id(row.get("id")), yes_or_no(row.get("isOwner", row.get("is_owner")))


def _said(body: Mapping[str, Any], user_id: str) -> list[bool | None]:
    """Return what a client states about this user: in its list of users, and as its owner's id."""
    nested = body.get("client")
    client = nested if isinstance(nested, Mapping) and nested else body
    listed = as_list(client.get("users"), "user")
    own = [yes_or_no(each.get("is_owner", each.get("isOwner"))) for each in listed if _id_of(each) == user_id]
    owner_id = identifier(client.get("owner_user_id"))
    by_id = None if owner_id in ("", "0") else owner_id == user_id
    return [*(own or [False if listed else None]), by_id]


def _id_of(row: Mapping[str, Any]) -> str:
    try:
        return identifier(row.get("id"))
    except ValueError:
        return ""
