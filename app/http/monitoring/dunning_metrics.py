"""Dunning as Prometheus metrics."""

import asyncpg
from msgspec import structs

from app.commands.dunning.staff import overview
from app.db import is_outage
from app.settings import Settings

DUNNING = (
    "# HELP portal_dunning Unpaid invoices in dunning by state; held, late and stuck ones are in another state too\n"
    "# TYPE portal_dunning gauge\n"
)


async def dunning_metrics(pool: asyncpg.Pool, settings: Settings) -> bytes:
    """Render the open invoices by state; empty while the database is away."""
    try:
        counted = await overview.counts(pool, settings)
    except Exception as error:
        if not is_outage(error):
            raise
        return b""
    found = structs.asdict(counted)
    lines = [f'portal_dunning{{state="{state}"}} {count}\n' for state, count in found.items()]
    return (DUNNING + "".join(lines)).encode()
