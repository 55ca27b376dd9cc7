"""Erase a customer's personal data permanently: in place, step by step, and so that nothing brings it back.

First the erasure is recorded; from then on the mirror strips incoming records of the customer. Then every way to log in
ends and stored data is stripped: mirror, inbox, dead letters, read models, Redis. Amounts, dates and states stay,
because the law requires invoices to be kept. Each step is idempotent, and a run that was stopped resumes where it was.

Reads and writes: portal.erasures, portal.erased_owners. Writes: portal.audit, and what the steps write.
"""

from collections.abc import Mapping

from app.audit import Operator, audit
from app.db import Db
from app.errors import Conflict, UpstreamError
from app.personal_data.steps import STEPS, PersonalDataStep
from app.personal_data.subject import Progress, Subject, hashed
from app.resources import Resources


async def erase(
    resources: Resources,
    subject: Subject,
    operator: Operator,
    report: Progress,
    *,
    upstream: Mapping[str, PersonalDataStep],
) -> None:
    """Run every step that is not done; `upstream` are the steps in the systems of record, run after our own.

    Raises:
        Conflict: `fulfilment_open`, an order of theirs is being provisioned; `erasure_unfinished`, with what to do.
    """
    await _begin(resources, subject, operator)
    steps = {**STEPS, **upstream}
    for number, (name, step) in enumerate(steps.items(), 1):
        if not await _is_done(resources, subject, name):
            await (_do_upstream(resources, subject, name, step) if name in upstream else step(resources, subject))
            await _mark(resources, subject, name)
        report(name, number, len(steps))
    await resources.pool.execute(
        "UPDATE portal.erasures SET finished_at = coalesce(finished_at, now()) WHERE account_id = $1",
        subject.account_id,
    )
    await audit(resources.pool, operator, "customer.erase", [str(subject.account_id)], upstream=", ".join(upstream))


async def _do_upstream(resources: Resources, subject: Subject, name: str, step: PersonalDataStep) -> None:
    try:
        await step(resources, subject)
    except UpstreamError as error:
        raise Conflict(
            f"Everything here is erased, but not everything upstream: {name} failed with “{error.args[0]}”. Fix the "
            "cause and run the same command again; it resumes there.",
            code="erasure_unfinished",
        ) from error


async def _begin(resources: Resources, subject: Subject, operator: Operator) -> None:
    """Record the erasure. From here on the mirror strips incoming records of the customer."""
    async with resources.pool.acquire() as connection, connection.transaction():
        await _refuse_open_orders(connection, subject)
        began = await connection.fetchval(
            "INSERT INTO portal.erasures (account_id, user_id, email_hash) VALUES ($1, $2, $3) "
            "ON CONFLICT (account_id) DO NOTHING RETURNING true",
            subject.account_id,
            subject.user_id,
            hashed(subject.email),
        )
        await connection.executemany(
            "INSERT INTO portal.erased_owners VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            [(*owner, subject.account_id) for owner in subject.owners],
        )
        if began:
            await audit(connection, operator, "customer.erase_begun", [str(subject.account_id)])


async def _refuse_open_orders(connection: Db, subject: Subject) -> None:
    open_orders = await connection.fetch(
        "SELECT order_id FROM portal.fulfilments WHERE account_id = $1 AND (state IN ('running', 'paused') "
        "OR (state = 'failed' AND NOT facts ? 'sim_asked_at'))",  # after that, the portal cannot cancel it
        subject.account_id,
    )
    if open_orders:
        named = ", ".join(row["order_id"] for row in open_orders)
        sentence = (
            f"Being provisioned, or failed at it: {named}. Let it finish, or `portal fulfilments cancel` it first."
        )
        raise Conflict(sentence, code="fulfilment_open")


async def _is_done(resources: Resources, subject: Subject, name: str) -> bool:
    return bool(
        await resources.pool.fetchval(
            "SELECT $2 = ANY(steps) FROM portal.erasures WHERE account_id = $1", subject.account_id, name
        )
    )


async def _mark(resources: Resources, subject: Subject, name: str) -> None:
    await resources.pool.execute(
        "UPDATE portal.erasures SET steps = steps || $2::text WHERE account_id = $1", subject.account_id, name
    )
