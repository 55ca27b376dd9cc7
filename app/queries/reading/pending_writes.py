"""Writes that no read model shows yet, beside what the read models show.

Every answer that a command can write to has them as `pending_writes`. They are read before the content: a write that is
confirmed in between appears in both, never in neither.

Reads: read_model.pending.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from app.queries.reading.store import Answer, Store, etag_of
from app.readmodels.documents import with_members
from app.words.sentence import Phrase
from app.words.worded import Worded

MOST = 20
COLUMN = f"""
ARRAY(
    SELECT jsonb_build_object('command_id', command_id, 'command', command, 'state', state,
        'item_id', nullif(item_id, ''), 'value', value, 'since', created_at,
        'reason', CASE WHEN reason_code IS NOT NULL
            THEN jsonb_build_object('code', reason_code, 'message', reason, 'message_phrases', reason_phrases) END)
    FROM read_model.pending p
    WHERE p.account_id = a.account_id AND p.slice = $2 AND command <> '' {{of_item}}
    ORDER BY created_at DESC, command_id LIMIT {MOST}) AS writes
"""
"""SQL: the writes to a read model ($2) of the account `a`."""
OF_SLICE = COLUMN.format(of_item="")
_OF_ITEM = COLUMN.format(of_item="AND ($3::text IS NULL OR p.item_id IN ($3, ''))")
_WRITES = f"SELECT a.n, {_OF_ITEM} FROM unnest($1::uuid[]) WITH ORDINALITY AS a (account_id, n)"


class Reason(Worded, frozen=True):
    """Why a write was rejected: a code of the list of errors, and its sentence."""

    code: str
    message: str
    message_phrases: tuple[Phrase, ...] = ()


class PendingWrite(Struct, frozen=True, kw_only=True):
    """A write that the data beside it does not show yet.

    Attributes:
        command_id: `GET /api/commands/{command_id}` tells how far it is; `command.settled` tells how it ended.
        command: what was asked for, such as `change_address`.
        state: `queued` while the system that takes it is away; `pending`; `rejected` for the reason given; `given_up`
            when nobody knows whether it took effect, or, with a reason, when it waited too long and was not sent.
        item_id: the item written; null where there is one, and for a new one without an id.
        value: what was written, as the request named it.
    """

    command_id: UUID
    command: str
    state: Literal["queued", "pending", "rejected", "given_up"]
    item_id: str | None
    value: dict[str, Any]
    reason: Reason | None
    since: datetime


async def of_slice(
    store: Store, account_id: UUID, name: str, item_id: str | None = None, commands: Collection[str] = ()
) -> list[PendingWrite]:
    """Read the writes to a read model, newest first: to one item or to all, of some commands or of any."""
    row = await store.row(_WRITES, account_id, name, item_id)
    writes = decoded(row["writes"] if row else [])
    return [each for each in writes if not commands or each.command in commands]


def decoded(writes: Sequence[Any]) -> list[PendingWrite]:
    """Decode the writes of a row with such a column."""
    return msgspec.convert(writes, list[PendingWrite])


async def beside(
    store: Store,
    account_id: UUID,
    name: str,
    read: Callable[[], Awaitable[Answer]],
    *,
    item_id: str | None = None,
    commands: Collection[str] = (),
) -> Answer:
    """Read, and add the writes that the answer does not show yet."""
    writes = await of_slice(store, account_id, name, item_id, commands)
    return added(await read(), writes)


def added(answer: Answer, writes: Collection[PendingWrite]) -> Answer:
    """Add the writes, which were read before the answer."""
    if not answer.body:  # the caller holds it, and it had no writes
        return answer
    etag = etag_of(answer.etag, msgspec.json.encode(list(writes))) if writes else answer.etag
    return structs.replace(answer, body=with_writes(answer.body, writes), etag=etag)


def with_writes(document: bytes, writes: Collection[PendingWrite]) -> bytes:
    """Append `pending_writes` to a JSON object."""
    return with_members(document, b'"pending_writes":' + msgspec.json.encode(list(writes)))
