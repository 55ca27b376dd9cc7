"""Data of the read benchmarks: accounts with sessions and invoices, a catalog, and requests for them.

Written straight into the read model, as the projections would leave it: 25 invoices per account, of which the list's
first page is 8 KB.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec

from app.money import money
from app.readmodels.catalog import Category, Product, public_document
from app.readmodels.table import GLOBAL_ACCOUNT
from benchmarks.harness import setup

FEED = "/data/Portal__chn"
TOTAL = msgspec.to_builtins(money("4048.00", "JPY"))
CATALOG_PLANS = 20
"""Plans of the catalog's category, which make its answer about 8 KB."""


def token_of(number: int) -> str:
    """Return the session token of the account with this number, from 1."""
    return hashlib.sha256(f"benchmark {number}".encode()).hexdigest()[:43]


async def fill(pool: asyncpg.Pool, accounts: int, invoices: int = 25) -> list[UUID]:
    """Empty the tables and fill in accounts with everything, verified in an hour, so that nothing becomes stale."""
    ids = await setup.clean(pool, accounts)
    verified_at = datetime.now(UTC) + timedelta(hours=1)
    await pool.execute("INSERT INTO read_model.feeds (feed, as_of) VALUES ($1, $2)", FEED, verified_at)
    await pool.execute(
        "INSERT INTO read_model.freshness SELECT account_id, r, $1 FROM portal.id_mappings, unnest($2::text[]) r",
        verified_at,
        ["client_invoices", "client_services", "pay_methods", "client"],
        timeout=setup.FILL_SECONDS,
    )
    await pool.execute(
        "INSERT INTO read_model.account_versions (account_id, version) SELECT account_id, 1 FROM portal.id_mappings",
        timeout=setup.FILL_SECONDS,
    )
    await _sessions(pool, accounts)
    await _invoices(pool, invoices)
    await pool.execute(
        "INSERT INTO read_model.documents (account_id, name, version, etag, body, as_of, slice, generation) "
        "VALUES ($1, $2, 1, '\"1\"', $3, $4, 'catalog', 1)",
        GLOBAL_ACCOUNT,
        public_document("sim"),
        msgspec.json.encode(_catalog()),
        verified_at,
    )
    await pool.execute("VACUUM ANALYZE", timeout=setup.FILL_SECONDS)
    return ids


def _catalog() -> Category:
    """Return the category that the benchmark asks for."""
    plans = [
        Product(
            sku=f"SIM-{number}",
            name=f"SIM {number} GB",
            description="Data only, delivered as an eSIM.",
            category="sim",
            item_class="plan",
            billing_cycle="monthly",
            price=money("1500.00", "JPY"),
            orderable=True,
            is_default=False,
            family_only=False,
            facts={},
        )
        for number in range(1, CATALOG_PLANS + 1)
    ]
    return Category(
        category="sim", name="SIM", plans=plans, installations=[], activation_fees=[], add_ons=[], regions=[]
    )


async def _sessions(pool: asyncpg.Pool, accounts: int) -> None:
    for start in range(1, accounts + 1, 50_000):
        numbers = range(start, min(start + 50_000, accounts + 1))
        await pool.execute(
            "INSERT INTO portal.sessions (id, token_hash, user_id, expires_at) "
            "SELECT gen_random_uuid(), t.hash, m.user_id, now() + interval '12 hours' "
            "FROM unnest($1::text[], $2::bytea[]) AS t (client, hash) JOIN portal.id_mappings m "
            "ON m.whmcs_client_id = t.client",
            [str(1000 + number) for number in numbers],
            [hashlib.sha256(token_of(number).encode()).digest() for number in numbers],
        )


async def _invoices(pool: asyncpg.Pool, each: int) -> None:
    """Summaries of the size that real ones have: amounts in yen, a number, three dates' worth of text."""
    summary = msgspec.json.encode(
        {
            "invoice_id": "%",
            "number": "INV-2026-%",
            "status": "unpaid",
            "issued_on": "2026-11-01",
            "due_on": "2026-11-15",
            "total": TOTAL,
            "balance": TOTAL,
            "note": "x" * 90,
        }
    ).decode()
    await pool.execute(
        "INSERT INTO read_model.invoices (account_id, invoice_id, status, upstream_status, subtotal, tax, credit, "
        "total, balance, currency, sort_id, version, as_of, summary, document) "
        "SELECT account_id, n::text, 'unpaid', 'Unpaid', 1, 0, 0, 1, 1, 'JPY', n, 1, now(), b, b "
        "FROM portal.id_mappings, LATERAL (SELECT (whmcs_client_id::bigint * 100 + g) AS n FROM "
        "generate_series(1, $1::int) g) x, LATERAL (SELECT convert_to(replace($2, '%', n::text), 'UTF8') AS b) y",
        each,
        summary,
        timeout=setup.FILL_SECONDS,
    )


def wrk_script(folder: Path, accounts: list[int], path: str = "/api/invoices", *, bearer: bool = True) -> Path:
    """Return a script for wrk that asks for the accounts in this order, over and over."""
    lines = "\n".join(f'"{token_of(number)}",' for number in accounts)
    headers = '{["Authorization"] = "Bearer " .. token}' if bearer else "nil"
    file = folder / f"requests{path.replace('/', '-')}.lua"
    file.write_text(
        f"local tokens = {{\n{lines}\n}}\nlocal requests, at = {{}}, 0\n"
        f'local one = function(token) return wrk.format("GET", "{path}", {headers}) end\n'
        "init = function() for i, token in ipairs(tokens) do requests[i] = one(token) end end\n"
        "request = function() at = at % #requests + 1 return requests[at] end\n"
    )
    return file
