"""The timeline's reasons depend on the billing system's time zone, which is a setting."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.queries import timeline
from app.queries.reading.store import Store

HANA = UUID(int=1)
CHARGES = (
    "(VALUES ('charge_failed', timestamptz '2026-01-31 16:00Z', 'billing'), "
    "('invoice_paid', '2026-01-31 16:00Z', 'billing')) AS t (kind, at, area)"
)


@pytest.mark.parametrize(("zone", "expired"), [("Asia/Tokyo", True), ("UTC", False), ("America/New_York", False)])
async def test_a_card_expires_at_the_end_of_its_month_where_the_billing_system_is(
    pool: asyncpg.Pool, zone: str, expired: bool
) -> None:
    """At 16:00 UTC on the last of January it is February in Tokyo."""
    await pool.execute(
        "INSERT INTO read_model.payment_methods (account_id, payment_method_id, kind, brand, last_four, expires, "
        "description, sort_id, version, as_of, document) "
        "VALUES ($1, '1', 'CreditCard', 'Visa', '4242', '2026-01', '', 1, 1, now(), '{}')",
        HANA,
    )
    values: list[Any] = [HANA]
    columns = timeline.inferred_columns(Store(pool, "feed", zone), values)
    rows = await pool.fetch(f"SELECT t.kind, {columns} FROM {CHARGES}", *values)
    assert {row["kind"]: row["expired"] for row in rows} == {"charge_failed": expired, "invoice_paid": False}
