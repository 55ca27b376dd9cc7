"""Checks of dunning: nobody waits past the planned day, and nobody who has paid stays suspended."""

from app.cli.doctor.finding import Finding, Trouble, checked
from app.commands.dunning.staff import overview
from app.commands.dunning.staff.terms import stopped
from app.db import open_pool
from app.settings import Settings

AREA = "automation"


async def dunning(settings: Settings) -> Finding:
    """Check that dunning makes progress where it is the portal's."""

    async def look() -> str:
        if "portal" not in (settings.automator_of("captures"), settings.automator_of("suspension")):
            return "WHMCS charges and suspends"
        pool = await open_pool(settings.database_url, size=1)
        try:
            counted, why = await overview.counts(pool, settings), await stopped(pool)
        finally:
            await pool.close()
        if sentences := [*filter(None, [why]), *overview.concerns(counted)]:
            raise Trouble(
                " ".join(sentences),
                "`portal dunning` lists them, and `portal schedule runs suspension` says why a run did not suspend.",
            )
        total = counted.trying + counted.grace + counted.suspended
        return f"{total:,} invoices in dunning, {counted.held:,} of them held"

    return await checked(AREA, "dunning", look, "Run `portal dunning` for details.")
