"""What lies between one operation of a former version and the newest: its changes, composed."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from app.errors import InvalidRequest
from app.http.versions.entity_tags import EntityTags
from app.http.versions.version import ContractChange, ContractVersion, QueryPairs


class Adapter:
    """Carries answers of one operation back to a version, and its requests forward.

    Attributes:
        tags: the validators of this version's answers; None where its answers are those of the newest version.
        changes_requests: whether requests differ from those of the newest version.
        changes_events: whether its events do.
    """

    def __init__(self, name: str, back: Sequence[ContractChange]) -> None:
        """`back`: the changes from the newest version to this one, in this order."""
        self._answers = [each.answer for each in back if each.answer]
        self._problems = [each.problem for each in back if each.problem]
        self._requests = [each.request for each in reversed(back) if each.request]
        self._events = [each.event for each in back if each.event]
        self.tags = EntityTags(name) if self._answers else None
        self.changes_requests, self.changes_events = bool(self._requests), bool(self._events)

    def answer(self, status: int, body: bytes) -> tuple[int, bytes]:
        """Carry a JSON answer back. One without a body is None to the changes."""
        changes = self._problems if status >= HTTPStatus.BAD_REQUEST else self._answers
        if not changes or status == HTTPStatus.NOT_MODIFIED:
            return status, body
        found = msgspec.json.decode(body) if body else None
        for change in changes:
            status, found = change(status, found)
        if status >= HTTPStatus.BAD_REQUEST and isinstance(found, dict) and "code" in found:
            found = {**found, "status": status, "title": HTTPStatus(status).phrase}
        return status, b"" if found is None else msgspec.json.encode(found)

    def request(self, query: QueryPairs, body: Any) -> tuple[QueryPairs, Any]:
        """Carry a request forward.

        Raises:
            InvalidRequest: it does not have the shape of its own version.
        """
        try:
            for change in self._requests:
                query, body = change(query, body)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise InvalidRequest from error
        return query, body

    def query_string(self, given: bytes) -> bytes:
        """Carry the query parameters of a request forward."""
        pairs = tuple(parse_qsl(given.decode("latin-1"), keep_blank_values=True))
        query, _ = self.request(pairs, None)
        return given if query == pairs else urlencode(query).encode()

    def content(self, given: bytes) -> bytes:
        """Carry the body of a request forward. What is no JSON stays as it is, for the ordinary answer to it."""
        try:
            body = msgspec.json.decode(given)
        except msgspec.DecodeError:
            return given
        return given if body is None else msgspec.json.encode(self.request((), body)[1])

    def event(self, name: str, data: Any) -> tuple[str, Any] | None:
        """Carry an event back; None where this version has no such event."""
        found: tuple[str, Any] | None = (name, data)
        for change in self._events:
            found = change(*found) if found else None
        return found


def adapters(versions: Sequence[ContractVersion], version: ContractVersion) -> dict[str, Adapter]:
    """Compose, for each operation that has changed since a version, everything that did."""
    since = versions[versions.index(version) :]
    back = [change for each in reversed(since) for change in each.changes]
    return {name: Adapter(version.name, [each for each in back if name in each.operations]) for name in _named(back)}


def _named(changes: Iterable[ContractChange]) -> set[str]:
    return {operation for change in changes for operation in change.operations}
