"""Ready documents: what serves, and nothing that is gone."""

from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from app.readmodels import documents
from app.readmodels.documents import Stored

ACCOUNT = UUID(int=42)
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)


async def keep(pool: asyncpg.Pool, body: bytes, generation: int = 1) -> None:
    await pool.execute(
        "INSERT INTO read_model.documents (account_id, name, version, etag, body, as_of, slice, generation) "
        "VALUES ($1, 'profile', 3, '\"tag\"', $2, $3, 'catalog', $4)",
        ACCOUNT,
        body,
        AS_OF,
        generation,
    )


async def test_a_document_carries_the_epoch_above_its_version(pool: asyncpg.Pool) -> None:
    await keep(pool, b'"kept"')
    found = await documents.read(pool, ACCOUNT, "profile")
    assert found == Stored(ACCOUNT, "profile", (1 << 32) + 3, '"tag"', b'"kept"', AS_OF)


@pytest.mark.parametrize(("body", "generation"), [(b"", 1), (b'"elsewhere"', 2)])
async def test_what_is_gone_or_does_not_serve_is_nothing(pool: asyncpg.Pool, body: bytes, generation: int) -> None:
    await keep(pool, body, generation)
    assert await documents.read(pool, ACCOUNT, "profile") is None


def test_members_are_appended_to_an_object_of_any_size() -> None:
    assert documents.with_members(b"{}", b'"stale":false') == b'{"stale":false}'
    assert documents.with_members(b'{"a":1}', b'"b":2,"c":null') == b'{"a":1,"b":2,"c":null}'
