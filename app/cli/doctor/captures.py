"""Checks of charges: whether any has no known outcome."""

from app.cli.doctor.finding import Finding, Trouble, checked
from app.db import open_pool
from app.queries.payment_attempts import doubts
from app.settings import Settings

ADVICE = "See `portal captures list --in-doubt`; look at each in WHMCS and at the gateway, then state what came of it."


async def in_doubt(settings: Settings) -> Finding:
    """Check that no charge waits for somebody to find out what came of it."""

    async def look() -> str:
        pool = await open_pool(settings.database_url, size=1)
        try:
            found = await doubts(pool)
        finally:
            await pool.close()
        if found.count:
            hours = found.oldest_seconds / 3_600
            raise Trouble(f"{found.count} charges have no known outcome, the oldest for {hours:,.1f} h", ADVICE)
        return "no charge is in doubt"

    return await checked("billing", "charges", look, "Check DATABASE_URL.")
