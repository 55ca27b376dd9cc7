"""The journal of provided services: every write is recorded before it is made, and confirmed by reading the provider.

    following ──► settled (provider and WHMCS agree) ──► following, when WHMCS says something else
        └───────► staff (only a person can go on) ─────► settled, once that is done

Every move that a customer may notice is submitted to the inbox in the same transaction, as a record under its service.

Reads and writes: portal.provided_services, portal.provider_steps. Writes: ingest.inbox.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg
from msgspec import Struct, structs

from app.clock import now
from app.commands.execution.context import Context
from app.db import Db, row, rows
from app.events import Change
from app.ingest.inbox import inbox
from app.ingest.inbox.isolation import Woken
from app.readmodels.provider_accounts import ProviderState

Step = Literal["suspend", "unsuspend", "change_package", "remove", "change_plan", "cancel"]
State = Literal["following", "settled", "staff"]
RECORD = "provider_state"
"""The object under which a service's state at its provider is mirrored."""
LEASE_SECONDS = 300.0
"""How long one attempt may take; after it another worker may go on."""

_COLUMNS = (
    "subscription_id, account_id, order_id, provider, account_name, state, seen, product_id, desired, actual, "
    "actual_at, step, step_at, remove_at, attempts, error_code, error_message, task_code, task_message, task_key, "
    "case_id, version, updated_at"
)
_BEGIN = f"""
UPDATE portal.provided_services SET attempts = attempts + 1, next_attempt_at = now() + $2 * interval '1 second'
WHERE subscription_id = $1 AND state IN ('following', 'staff') AND next_attempt_at <= now()
RETURNING {_COLUMNS}
"""
_MOVE = f"""
UPDATE portal.provided_services SET state = $3, desired = $4, actual = $5, actual_at = $6, product_id = $7, step = $8,
    step_at = $9, remove_at = $10, error_code = $11, error_message = $12, task_code = $13, task_message = $14,
    task_key = $15, case_id = $16, next_attempt_at = now() + $17 * interval '1 second',
    attempts = CASE WHEN $18 THEN 0 ELSE attempts END, version = version + 1, updated_at = now()
WHERE subscription_id = $1 AND version = $2
RETURNING {_COLUMNS}
"""
_BEGUN = f"""
UPDATE portal.provided_services SET step = $3, step_at = now(), error_code = NULL, error_message = NULL,
    version = version + 1, updated_at = now()
WHERE subscription_id = $1 AND version = $2
RETURNING {_COLUMNS}
"""
_NOTE = "INSERT INTO portal.provider_steps (subscription_id, step, outcome, detail) VALUES ($1, $2, $3, $4)"
_ONE_COUNTS = "SELECT pg_advisory_xact_lock(hashtextextended('portal.provider_steps:removals', 0))"
_REMOVALS = """
SELECT count(DISTINCT subscription_id) FROM portal.provider_steps
WHERE step IN ('remove', 'cancel') AND outcome = 'begun' AND at > now() - interval '1 day' AND subscription_id <> $1
"""
_CLIENT = "SELECT whmcs_client_id FROM portal.id_mappings WHERE account_id = $1"
_RESUME = """
UPDATE portal.provided_services p SET next_attempt_at = now() FROM read_model.upstreams u
WHERE u.state = 'closed' AND u.since > p.updated_at AND p.next_attempt_at > now() AND p.state = 'following'
  AND p.error_code IS NOT NULL
"""


class ProvidedService(Struct, frozen=True, kw_only=True):
    """A provided service as journaled. `version` grows with every move: a move on an older one has no effect."""

    subscription_id: str
    account_id: UUID
    order_id: str
    provider: Literal["whm", "freebit"]
    account_name: str
    state: State
    """The state of the service in the journal."""
    seen: str
    """What billing was last seen to want."""
    product_id: str | None
    """WHMCS's id of the product; null where it is not known."""
    desired: ProviderState | None
    actual: ProviderState | None
    """What the provider said last; null before it was asked."""
    actual_at: datetime | None
    """When the provider said it; null before it was asked."""
    step: Step | None
    step_at: datetime | None
    """When the present step began; null without one."""
    remove_at: datetime | None
    attempts: int
    error_code: str | None
    error_message: str | None
    task_code: str | None
    task_message: str | None
    """The task in words; null without one."""
    task_key: str | None
    """What makes the task one of its kind; null without one."""
    case_id: str | None
    version: int
    updated_at: datetime

    def step_age_seconds(self) -> float | None:
        """Return the age of a write that is not confirmed; None if there is none."""
        return (now() - self.step_at).total_seconds() if self.step_at else None

    def with_task(self, code: str, message: str) -> "ProvidedService":
        """Return the service waiting for staff. The same task keeps its case; another gets a key for one."""
        if self.task_code == code:
            return structs.replace(self, state="staff", task_message=message)
        return structs.replace(
            self, state="staff", task_code=code, task_message=message, task_key=uuid4().hex, case_id=None
        )

    def without_task(self, state: State) -> "ProvidedService":
        """Return the service in a state in which staff need not act."""
        return structs.replace(self, state=state, task_code=None, task_message=None, task_key=None, case_id=None)


class MovedOn(Exception):
    """Another process moved the service on; this attempt ends without effect."""


async def due(pool: asyncpg.Pool, limit: int) -> list[str]:
    """Return the services that can be advanced now, the longest waiting first."""
    found = await pool.fetch(
        "SELECT subscription_id FROM portal.provided_services WHERE state IN ('following', 'staff') "
        "AND next_attempt_at <= now() ORDER BY next_attempt_at LIMIT $1",
        limit,
    )
    return [each["subscription_id"] for each in found]


async def begin(pool: asyncpg.Pool, subscription_id: str) -> ProvidedService | None:
    """Lease a service that is due, counting the attempt before it is made; None if it is not due any more."""
    return await row(pool, ProvidedService, _BEGIN, subscription_id, LEASE_SECONDS)


class TooManyRemovals(Exception):
    """As many removals as are allowed were begun in the last 24 hours."""


async def begin_step(
    pool: asyncpg.Pool, service: ProvidedService, step: Step, most_removals: int | None = None
) -> ProvidedService:
    """Record a write that is about to be made; a removal only while fewer than `most_removals` were begun in a day.

    Raises:
        MovedOn: another process moved the service on.
        TooManyRemovals: nothing was recorded, and the write must not be made.
    """
    async with pool.acquire() as connection, connection.transaction():
        if most_removals is not None:
            await connection.execute(_ONE_COUNTS)
            if await connection.fetchval(_REMOVALS, service.subscription_id) >= most_removals:
                raise TooManyRemovals(service.subscription_id)
        begun = await row(connection, ProvidedService, _BEGUN, service.subscription_id, service.version, step)
        if begun is None:
            raise MovedOn(service.subscription_id)
        await connection.execute(_NOTE, service.subscription_id, step, "begun", {})
    return begun


async def move(
    ctx: Context, was: ProvidedService, to: ProvidedService, *, seconds: float = 0.0, fresh: bool = False
) -> ProvidedService:
    """Store a move, to be looked at again in so many seconds; `fresh` forgets the attempts so far.

    Raises:
        MovedOn: another process moved the service on.
    """
    async with ctx.pool.acquire() as connection, connection.transaction():
        moved = await row(connection, ProvidedService, _MOVE, *_values(was, to), seconds, fresh)
        if moved is None:
            raise MovedOn(was.subscription_id)
        await _note(connection, was, moved)
        woken: Woken = set()
        if _shown(was) != _shown(moved):
            client_id = await connection.fetchval(_CLIENT, moved.account_id)
            _, woken = await inbox.append(connection, [_record(moved, client_id)])
    await ctx.inbox.wake(woken)
    return moved


async def resume_after_outages(pool: asyncpg.Pool) -> None:
    """Retry once, when a breaker has closed, the services that failed while its upstream was unavailable."""
    await pool.execute(_RESUME)


async def steps_of(pool: asyncpg.Pool, subscription_id: str) -> list[dict[str, Any]]:
    """Return what was done for a service, oldest first."""
    found = await pool.fetch(
        "SELECT at, step, outcome, detail FROM portal.provider_steps WHERE subscription_id = $1 ORDER BY id LIMIT 500",
        subscription_id,
    )
    return [dict(each) for each in found]


async def one(db: Db, subscription_id: str) -> ProvidedService | None:
    """Return a provided service; None if the portal did not provision it."""
    return await row(
        db,
        ProvidedService,
        f"SELECT {_COLUMNS} FROM portal.provided_services WHERE subscription_id = $1",
        subscription_id,
    )


async def with_open_task(pool: asyncpg.Pool, limit: int) -> list[ProvidedService]:
    """Return the services whose task for staff has no case yet."""
    return await rows(
        pool,
        ProvidedService,
        f"SELECT {_COLUMNS} FROM portal.provided_services WHERE task_key IS NOT NULL AND case_id IS NULL "
        "ORDER BY updated_at LIMIT $1",
        limit,
    )


async def set_case(pool: asyncpg.Pool, service: ProvidedService, case_id: str) -> None:
    """Store the case of a task."""
    await pool.execute(
        "UPDATE portal.provided_services SET case_id = $3 WHERE subscription_id = $1 AND task_key = $2",
        service.subscription_id,
        service.task_key,
        case_id,
    )


def _values(was: ProvidedService, to: ProvidedService) -> tuple[Any, ...]:
    return (
        was.subscription_id,
        was.version,
        to.state,
        to.desired,
        to.actual,
        to.actual_at,
        to.product_id,
        to.step,
        to.step_at,
        to.remove_at,
        to.error_code,
        to.error_message,
        to.task_code,
        to.task_message,
        to.task_key,
        to.case_id,
    )


async def _note(connection: Db, was: ProvidedService, to: ProvidedService) -> None:
    """Record what a move means: a task for staff, a confirmed state, a write that came to nothing."""
    if to.task_key is not None and to.task_key != was.task_key:
        await connection.execute(_NOTE, to.subscription_id, to.task_code, "staff", {"message": to.task_message})
    elif to.actual is not None and (to.actual != was.actual or (was.step is not None and to.step is None)):
        await connection.execute(_NOTE, to.subscription_id, was.step or "look", "confirmed", {"actual": to.actual})
    elif to.error_code is not None and to.error_code != was.error_code:
        detail = {"code": to.error_code, "message": to.error_message}
        await connection.execute(_NOTE, to.subscription_id, was.step or "look", "failed", detail)


def _shown(service: ProvidedService) -> tuple[Any, ...]:
    return service.desired, service.actual, service.state == "staff", service.remove_at


def _record(service: ProvidedService, whmcs_client_id: str | None) -> Change:
    """Return the state as the mirror keeps it, under its service. The row's own version only grows."""
    at = now()
    return Change.whole(
        "whmcs",
        RECORD,
        service.subscription_id,
        {
            "type": service.provider,
            "desired_status": service.desired,
            "actual_status": service.actual,
            "actual_date": service.actual_at.isoformat() if service.actual_at else None,
            "removal_date": service.remove_at.date().isoformat() if service.remove_at else None,
            "staff_status": "waiting" if service.state == "staff" else "",
        },
        event_id=f"{RECORD}:{service.subscription_id}:{service.version}",
        version=service.version,
        occurred_at=at,
        origin="command",
        owner_id=whmcs_client_id,
        parent_id=service.subscription_id,
        read_at=at,
    )
