"""The setup of the benchmarks: a real Postgres of their own, linked accounts, and a realistic stream of events."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from app.cli import migrate
from app.cli.stack import embedded
from app.cli.stack.processes import Spec, Supervisor
from app.db import open_pool
from app.events import Change
from app.settings import Settings, load

ACCOUNTS = 500
FILL_SECONDS = 900
"""What a statement may take that makes the tables of a million accounts."""
START = datetime(2026, 11, 1, tzinfo=UTC)
ORDER = {
    "OrderNumber": "00000301",
    "Status": "Pending Review",
    "EffectiveDate": "2026-11-01",
    "TotalAmount": 3680.0,
    "BillingStreet": "1-2-3 Chiyoda",
    "BillingCity": "Tokyo",
    "BillingState": "Tokyo",
    "BillingPostalCode": "100-0001",
    "BillingCountry": "Japan",
    "Order_Type__c": "SIM",
    "CreatedDate": "2026-11-01T00:00:00.000+0000",
    "LastModifiedDate": "2026-11-01T00:00:00.000+0000",
}
LINE = {"id": "1", "type": "Hosting", "relid": "55", "description": "SIM 10GB", "amount": "3680.00", "taxed": "1"}
INVOICE = {
    "invoicenum": "",
    "status": "Unpaid",
    "date": "2026-11-01",
    "duedate": "2026-11-15",
    "datepaid": None,
    "subtotal": "3680.00",
    "tax": "368.00",
    "tax2": "0.00",
    "taxrate": "10.00",
    "credit": "0.00",
    "total": "4048.00",
    "balance": "4048.00",
    "currencycode": "JPY",
    "items": [LINE],
    "transactions": [],
}


@contextmanager
def engine() -> Iterator[str]:
    """Yield the URL of an embedded Postgres, migrated, or of the one that DATABASE_URL names."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    supervisor, home = Supervisor(print), Path(tempfile.mkdtemp(prefix="portal-bench-"))
    postgres = embedded.postgres(home)
    log = home / "postgres.log"
    spec = Spec(postgres.name, postgres.argv, dict(os.environ), log, postgres.user, postgres.stop_signal)
    supervisor.start(spec)
    embedded.wait_until_reachable(postgres)
    migrate.up(postgres.url)
    try:
        yield postgres.url
    finally:
        supervisor.stop()
        shutil.rmtree(home, ignore_errors=True)


def settings(url: str) -> Settings:
    """Return settings whose upstreams never answer."""
    required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
    return load({**dict.fromkeys(required, "x" * 32), "DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1"})


@asynccontextmanager
async def pool(url: str, size: int = 12) -> AsyncIterator[asyncpg.Pool]:
    """Open connections as the product does."""
    opened = await open_pool(url, size=size)
    try:
        yield opened
    finally:
        await opened.close()


async def clean(connections: asyncpg.Pool, accounts: int = ACCOUNTS) -> list[UUID]:
    """Empty tables, linked accounts, settled disk: the same start for everybody. Returns the accounts."""
    tables = await connections.fetch(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables "
        "WHERE schemaname IN ('portal', 'ingest', 'mirror', 'read_model', 'generations') AND tablename <> 'generations'"
    )
    async with connections.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")  # the audit log refuses it
        await connection.execute(f"TRUNCATE {', '.join(row['name'] for row in tables)} RESTART IDENTITY CASCADE")
    users, ids = [uuid4() for _ in range(accounts)], [uuid4() for _ in range(accounts)]
    await connections.execute(
        "INSERT INTO portal.users (id, email, password_hash) "
        "SELECT u, u || '@example.jp', 'x' FROM unnest($1::uuid[]) u",
        users,
        timeout=FILL_SECONDS,
    )
    await connections.execute(
        "INSERT INTO portal.id_mappings (account_id, user_id, whmcs_client_id, salesforce_account_id, customer_number) "
        "SELECT a, u, (1000 + n)::text, '001' || lpad(n::text, greatest(5, length(n::text)), '0'), 'C' || n "
        "FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS x (a, u, n)",
        ids,
        users,
        timeout=FILL_SECONDS,
    )
    await connections.execute("CHECKPOINT", timeout=FILL_SECONDS)
    return ids


def events(count: int, accounts: int = ACCOUNTS, *, first: int = 0) -> list[Change]:
    """Return orders with an item, approved shortly after, and invoices: four events per customer's step, in order of
    time."""
    found: list[Change] = []
    for n in range(first, first + count // 4):
        owner = n % accounts + 1
        account, order = f"001{owner:05d}", f"801{n:09d}"
        found.append(_change("salesforce", "Order", order, {**ORDER, "AccountId": account}, n * 10, owner=account))
        item = {"OrderId": order, "Product2Id": "01tA", "Quantity": 1.0, "UnitPrice": 3680.0}
        found.append(_change("salesforce", "OrderItem", f"802{n:09d}", item, n * 10 + 1, parent=order))
        found.append(_change("salesforce", "Order", order, {"Status": "Approved"}, n * 10 + 2000, kind="partial"))
        found.append(_change("whmcs", "invoice", str(n + 1), INVOICE, n * 10 + 3, owner=str(1000 + owner)))
    return sorted(found, key=lambda change: change.version)


def _change(
    source: Any, name: str, record_id: str, data: dict[str, Any], at_ms: int, *, kind: Any = "full", **more: str
) -> Change:
    at = START + timedelta(milliseconds=at_ms)
    return Change(
        source=source,
        object=name,
        record_id=record_id,
        kind=kind,
        event_id=f"{name}:{record_id}:{at_ms}",
        version=int(at.timestamp() * 1000),
        occurred_at=at,
        origin="cdc",
        data=data,
        owner_id=more.get("owner"),
        parent_id=more.get("parent"),
        read_at=at if kind == "full" else None,
    )
