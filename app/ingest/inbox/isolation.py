"""Isolation of changes: one that cannot be stored never holds up the others of its batch.

Appending is one statement for many changes. Only when that fails because of its values are they tried by halves, within
savepoints. A single change that cannot be stored is kept byte for byte in a dead letter, and the cursor that covers it
(a position in a stream, the end of a page) advances as if it had been stored.

Writes: by `append`, ingest.inbox; ingest.dead_letters.
"""

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

import asyncpg
import msgspec
import structlog

from app.clock import now
from app.db import Connection
from app.events import Change
from app.ingest.privacy import erased_owners
from app.intake import text

UNSTORABLE = "unstorable"
LONGEST_ERROR = 300
LONGEST_NAME = 200
MOST_RAW_BYTES = 32 * 1024 * 1024
"""Largest raw change that is kept; far below what one value may take in Postgres."""

T = TypeVar("T")
Woken = set[tuple[str, int]]
Transaction = Callable[[], AbstractAsyncContextManager[Connection]]
"""Opens a connection within a transaction of its own."""

log = structlog.get_logger()


class Append(Protocol):
    """`inbox.append`, or the same with its members isolated."""

    async def __call__(
        self, connection: Connection, changes: Sequence[Change], *, submission: int | None = None
    ) -> tuple[int, Woken]:
        """Append changes; return the submission number and the shards to wake."""


class NotStored(Exception):
    """Changes were not appended, because of their values."""


async def storing(append: Append, transaction: Transaction, work: Callable[[Connection, Append], Awaitable[T]]) -> T:
    """Return what `work(connection, append)` returns. When its transaction fails because of what was appended, which
    aborts it as a whole, run the work once more with an `append` that isolates."""
    try:
        async with transaction() as connection:
            return await work(connection, append)
    except NotStored as error:
        log.warning("append_failed_trying_halves", error=_said(error.__cause__))

    async def isolating(
        connection: Connection, changes: Sequence[Change], *, submission: int | None = None
    ) -> tuple[int, Woken]:
        number, _ = await append(connection, [], submission=submission)
        return number, await _halved(append, connection, changes, number)

    async with transaction() as connection:
        return await work(connection, isolating)


async def _halved(append: Append, connection: Connection, changes: Sequence[Change], submission: int) -> Woken:
    try:
        async with connection.transaction():
            return (await append(connection, changes, submission=submission))[1]
    except NotStored as error:
        if len(changes) == 1:
            return await _keep(append, connection, changes[0], submission, error.__cause__ or error)
    half = len(changes) // 2
    woken = await _halved(append, connection, changes[:half], submission)
    return woken | await _halved(append, connection, changes[half:], submission)


async def _keep(append: Append, connection: Connection, change: Change, submission: int, error: BaseException) -> Woken:
    """Store a dead letter in place of a change, without further attempts. If even that fails, the change is not the
    cause."""
    letter = letter_of(change, error)
    if await erased_owners.owns(connection, _with_address(change, letter)):
        letter = msgspec.structs.replace(letter, data={**letter.data, "payload": ""})
    _, woken = await append(connection, [letter], submission=submission)
    await connection.execute(
        "INSERT INTO ingest.dead_letters (entry_id, source, object, record_id, error, stack, attempts) "
        "SELECT id, source, object, record_id, $3, '', 1 FROM ingest.inbox WHERE (source, event_id) = ($1, $2) "
        "ON CONFLICT (entry_id) DO NOTHING",
        letter.source,
        letter.event_id,
        letter.data["error"],
    )
    log.error("change_unstorable", source=letter.source, letter=letter.record_id, **_named(change))
    return woken


def letter_of(change: Change, error: BaseException) -> Change:
    """Build the entry that stands for a change: the address of its record, as far as known, and its bytes in base64."""
    raw = _raw(change)
    name = hashlib.blake2b(raw, digest_size=16).hexdigest()
    return Change.hint(
        change.source,
        UNSTORABLE,
        name,
        {**_named(change), "error": _said(error), "payload": base64.b64encode(raw[:MOST_RAW_BYTES]).decode()},
        event_id=f"{UNSTORABLE}:{name}",
        occurred_at=now(),
        origin=change.origin,
        owner_id=_plain(change.owner_id),
    )


def _named(change: Change) -> dict[str, str | None]:
    """Return the address of the record; None for a part that cannot be stored."""
    return {"object": _plain(change.object), "id": _plain(change.record_id)}


def _plain(name: object) -> str | None:
    return name if isinstance(name, str) and len(name) <= LONGEST_NAME and text.clean(name) == name else None


def _with_address(change: Change, letter: Change) -> Change:
    """Return the letter under the address of its record, as far as that can be stored."""
    named = _named(change)
    return msgspec.structs.replace(
        letter,
        object=named["object"] or letter.object,
        record_id=named["id"] or letter.record_id,
        parent_id=_plain(change.parent_id),
    )


def _said(error: BaseException | None) -> str:
    """Describe the error without the value: the driver's message quotes it, that of Postgres does not."""
    if isinstance(error, asyncpg.PostgresError) and getattr(error, "severity", None):
        return text.clean(f"{type(error).__name__}: {error.args[0] if error.args else ''}")[:LONGEST_ERROR]
    if isinstance(error, asyncpg.InterfaceError | UnicodeError):
        return f"{type(error).__name__}: {str(error).partition(':')[0]}"[:LONGEST_ERROR]
    return type(error).__name__


def _raw(change: Change) -> bytes:
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    try:
        return json.dumps(fields, default=str).encode()
    except (ValueError, TypeError, RecursionError):  # circular, too deep, or with keys that are not strings
        return repr({**fields, "data": "not even to be written down"}).encode("utf-8", "backslashreplace")
