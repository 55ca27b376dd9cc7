"""Shared parts of the tests of generations: the read models they rebuild and the comparison of rows."""

from typing import Any

import asyncpg

from app.events import Change
from app.projections.projector import Projector
from app.projections.registry import projectors
from app.settings import Settings
from tests.fixtures.changes import INVOICE, change


def of(settings: Settings, name: str) -> Projector:
    return next(each for each in projectors(settings) if each.name == name)


def invoices(count: int) -> list[Change]:
    return [change("whmcs", "invoice", str(100 + i), INVOICE, owner_id="1001") for i in range(count)]


async def content(pool: asyncpg.Pool, relation: str) -> list[dict[str, Any]]:
    rows = await pool.fetch(f"SELECT * FROM {relation} ORDER BY invoice_id")
    return [{name: value for name, value in row.items() if name not in ("version", "as_of")} for row in rows]
