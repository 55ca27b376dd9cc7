"""The emergency stop of all jobs that move money. It is in force for every process until an operator lifts it.

Customers may still pay, and staff may still charge by hand.

Reads and writes: portal.money_stops. Writes: portal.audit.
"""

from datetime import datetime

import asyncpg
from msgspec import Struct

from app.audit import Operator, audit
from app.db import Db, row

_CURRENT = "SELECT stopped_at, stopped_by, reason FROM portal.money_stops WHERE resumed_at IS NULL"
_STOP = """
INSERT INTO portal.money_stops (stopped_by, reason) VALUES ($1, $2)
ON CONFLICT ((true)) WHERE resumed_at IS NULL DO NOTHING RETURNING id
"""
_RESUME = """
UPDATE portal.money_stops SET resumed_at = clock_timestamp(), resumed_by = $1 WHERE resumed_at IS NULL RETURNING id
"""


class MoneyStop(Struct, frozen=True):
    """The stop that is in force."""

    stopped_at: datetime
    """When it was stopped."""
    stopped_by: str
    """Who stopped it."""
    reason: str
    """Why it was stopped."""

    @property
    def sentence(self) -> str:
        """Who stopped the jobs, when and why."""
        return (
            f"{self.stopped_by} stopped all jobs that move money at {self.stopped_at:%Y-%m-%d %H:%M} UTC: {self.reason}"
        )


async def current(db: Db) -> MoneyStop | None:
    """Return the stop that is in force, if any."""
    return await row(db, MoneyStop, _CURRENT)


async def stop(pool: asyncpg.Pool, operator: Operator, reason: str) -> MoneyStop:
    """Stop all jobs that move money; a unit of work that has begun is finished. An earlier stop stays as it is."""
    async with pool.acquire() as connection, connection.transaction():
        if await connection.fetchval(_STOP, operator.name or str(operator.user_id), reason):
            await audit(connection, operator, "automation.stop", ["money"], reason=reason)
        found = await current(connection)
        assert found is not None
        return found


async def resume(pool: asyncpg.Pool, operator: Operator) -> bool:
    """Lift the stop; False if there was none. What is due runs once."""
    async with pool.acquire() as connection, connection.transaction():
        lifted = await connection.fetchval(_RESUME, operator.name or str(operator.user_id))
        if lifted:
            await audit(connection, operator, "automation.resume", ["money"])
        return lifted is not None
