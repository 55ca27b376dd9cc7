"""Dunning as Prometheus metrics."""

import asyncpg
from msgspec import structs

from app.commands.dunning.staff import overview
from app.commands.dunning.staff.terms import stopped
from app.db import is_outage
from app.settings import Settings

DUNNING = (
    "# HELP portal_dunning Unpaid invoices in dunning by state; held, late and stuck ones are in another state too\n"
    "# TYPE portal_dunning gauge\n"
)

STOPPED = (
    "# HELP portal_dunning_suspensions_stopped 1 if the last run suspended nobody, because more were due than allowed\n"
    "# TYPE portal_dunning_suspensions_stopped gauge\n"
)


async def dunning_metrics(pool: asyncpg.Pool, settings: Settings) -> bytes:
    """Render the open invoices by state; empty while the database is away."""
    try:
        counted, why = await overview.counts(pool, settings), await stopped(pool)
    except Exception as error:
        if not is_outage(error):
            raise
        return b""
    found = structs.asdict(counted)
    lines = [f'portal_dunning{{state="{state}"}} {count}\n' for state, count in found.items()]
    lines.append(f"{STOPPED}portal_dunning_suspensions_stopped {int(why is not None)}\n")
    return (DUNNING + "".join(lines)).encode()
