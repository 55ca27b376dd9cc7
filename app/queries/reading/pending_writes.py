"""Writes that no read model shows yet, beside what the read models show.

Every answer that a command can write to has them as `pending_writes`. They are read before the content: a write that is
confirmed in between appears in both, never in neither.

Reads: read_model.pending.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from app.queries.reading.store import Answer, Store, etag_of
from app.readmodels.documents import with_members

MOST = 20
_WRITES = f"""
SELECT a.n, ARRAY(
    SELECT jsonb_build_object('command_id', command_id, 'command', command, 'state', state,
        'item_id', nullif(item_id, ''), 'value', value, 'since', created_at,
        'reason', CASE state WHEN 'rejected' THEN jsonb_build_object('code', reason_code, 'message', reason) END)
    FROM read_model.pending p
    WHERE p.account_id = a.account_id AND p.slice = $2 AND ($3::text IS NULL OR p.item_id IN ($3, ''))
      AND command <> ''
    ORDER BY created_at DESC, command_id LIMIT {MOST}) AS writes
FROM unnest($1::uuid[]) WITH ORDINALITY AS a (account_id, n)
"""


class Reason(Struct, frozen=True):
    """Why a write was rejected: a code of the list of errors, and its sentence."""

    code: str
    message: str


class PendingWrite(Struct, frozen=True, kw_only=True):
    """A write that the data beside it does not show yet.

    Attributes:
        command_id: `GET /api/commands/{command_id}` tells how far it is; `command.settled` tells how it ended.
        command: what was asked for, such as `change_address`.
        state: `pending`; `rejected` for the reason given; `given_up` when nobody knows whether it took effect.
        item_id: the item written; null where there is one, and for a new one without an id.
        value: what was written, as the request named it.
    """

    command_id: UUID
    command: str
    state: Literal["pending", "rejected", "given_up"]
    item_id: str | None
    value: dict[str, Any]
    reason: Reason | None
    since: datetime


async def of_slice(
    store: Store, account_id: UUID, name: str, item_id: str | None = None, commands: Collection[str] = ()
) -> list[PendingWrite]:
    """Read the writes to a read model, newest first: to one item or to all, of some commands or of any."""
    row = await store.row(_WRITES, account_id, name, item_id)
    writes = msgspec.convert(row["writes"] if row else [], list[PendingWrite])
    return [each for each in writes if not commands or each.command in commands]


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
    answer = await read()
    if not answer.body:  # the caller holds it, and it had no writes
        return answer
    body = msgspec.json.encode(writes)
    etag = etag_of(answer.etag, body) if writes else answer.etag
    return structs.replace(answer, body=with_writes(answer.body, writes), etag=etag)


def with_writes(document: bytes, writes: Collection[PendingWrite]) -> bytes:
    """Append `pending_writes` to a JSON object."""
    return with_members(document, b'"pending_writes":' + msgspec.json.encode(list(writes)))
