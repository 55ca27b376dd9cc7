"""Small statements of many accounts share a round trip, and nothing else."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.errors import NotReady
from app.queries import invoices
from app.queries.reading.page import Page
from app.queries.reading.store import MOST_ACCOUNTS, Store
from benchmarks.harness import read_data

ECHO = "SELECT a.n, a.account_id, $2::int AS given FROM unnest($1::uuid[]) WITH ORDINALITY AS a (account_id, n)"


class Watched:
    """The pool, and how many accounts each statement was about."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.asked: list[int] = []

    async def fetch(self, statement: str, accounts: list[UUID], *values: Any) -> Any:
        self.asked.append(len(accounts))
        return await self._pool.fetch(statement, accounts, *values)


async def test_lists_of_many_accounts_take_two_statements_for_as_many_as_one_may_hold(pool: asyncpg.Pool) -> None:
    await read_data.fill(pool, 40)
    accounts = [row["account_id"] for row in await pool.fetch("SELECT account_id FROM portal.id_mappings")]
    alone = [
        await invoices.list_invoices(Store(pool, read_data.FEED, "Asia/Tokyo"), each, Page(), str) for each in accounts
    ]
    watched = Watched(pool)
    store = Store(watched, read_data.FEED, "Asia/Tokyo")
    unknown = invoices.list_invoices(store, uuid4(), Page(), str)
    lists = (invoices.list_invoices(store, each, Page(), str) for each in accounts)
    *together, nobody = await asyncio.gather(*lists, unknown, return_exceptions=True)
    assert together == alone
    assert len({each.body for each in alone}) == 40
    assert isinstance(nobody, NotReady)
    assert sorted(watched.asked[:2]) == [41 - MOST_ACCOUNTS, MOST_ACCOUNTS]
    assert sum(watched.asked) == 41 + 40


async def test_different_questions_get_different_answers(pool: asyncpg.Pool) -> None:
    store, accounts = Store(pool, "feed", "Asia/Tokyo"), [uuid4() for _ in range(5)]
    asked = [(account, value) for account in accounts for value in (1, 2)] * 2
    rows = await asyncio.gather(*(store.row(ECHO, account, value) for account, value in asked))
    assert [(row["account_id"], row["given"]) for row in rows if row] == asked


async def test_an_error_reaches_only_its_own_caller(pool: asyncpg.Pool) -> None:
    store, account = Store(pool, "feed", "Asia/Tokyo"), uuid4()
    wrong = ECHO.replace("a.account_id,", "1 / 0,")
    right, *bad = await asyncio.gather(
        store.row(ECHO, account, 1), store.row(wrong, account, 1), store.row(wrong, uuid4(), 1), return_exceptions=True
    )
    assert right["account_id"] == account
    assert [type(each) for each in bad] == [asyncpg.DivisionByZeroError] * 2
    with pytest.raises(asyncpg.DivisionByZeroError):
        await store.row(wrong, account, 1)
