"""Erase a customer's personal data, for good (C22): in place, step by step, and so that nothing brings it back.

First it is written down whose data is erased, in the transaction that ends every way to log in; from then on the mirror
takes their records in without the person. Then what is held is stripped: mirror, inbox, dead letters, read models,
Redis. Amounts, dates and states stay, as the law wants of invoices. Each step may be repeated, and a run that was
stopped goes on where it was.

Reads and writes: portal.*, mirror.records, ingest.inbox, ingest.dead_letters, read_model.*, Redis. Writes:
portal.audit, and with `upstream` WHMCS and Salesforce.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from redis.exceptions import RedisError

from app.errors import Conflict
from app.ingest import erased
from app.ingest.operators import Operator, audit
from app.personal_data.subject import Subject, hashed
from app.projections import publish, rebuild
from app.projections.registry import with_previous
from app.readmodels.documents import key
from app.resources import Resources

NOBODY = "erased-{}@erased.invalid"
BATCH = 500
QUIET_SECONDS = 60
"""How long transactions that began before the erasure may take."""

Tell = Callable[[str, int, int], None]
"""Told (step, steps done, steps in all) after each."""

_MINE = "(owner_id IN ($1, $2) OR parent_id IN (SELECT record_id FROM mirror.records WHERE owner_id IN ($1, $2)))"


async def erase(resources: Resources, subject: Subject, operator: Operator, tell: Tell, *, upstream: bool) -> None:
    """Do every step that is not done.

    Raises:
        Conflict: `fulfilment_open`, an order of theirs is being provisioned.
        UpstreamError: with `upstream`; everything of ours is done by then, and asking again goes on from there.
    """
    await _begin(resources, subject, operator)
    steps = {**STEPS, **(UPSTREAM_STEPS if upstream else {})}
    for number, (name, step) in enumerate(steps.items(), 1):
        if not await _is_done(resources, subject, name):
            await step(resources, subject)
            await _mark(resources, subject, name)
        tell(name, number, len(steps))
    await resources.pool.execute(
        "UPDATE portal.erasures SET finished_at = coalesce(finished_at, now()) WHERE account_id = $1",
        subject.account_id,
    )
    await audit(resources.pool, operator, "customer.erase", [str(subject.account_id)], upstream=str(upstream).lower())


async def _begin(resources: Resources, subject: Subject, operator: Operator) -> None:
    """Write down whose data goes. From here on nothing of it comes in any more."""
    async with resources.pool.acquire() as connection, connection.transaction():
        open_orders = await connection.fetch(
            "SELECT order_id FROM portal.fulfilments WHERE account_id = $1 AND state IN ('running', 'paused')",
            subject.account_id,
        )
        if open_orders:
            named = ", ".join(row["order_id"] for row in open_orders)
            sentence = f"Being provisioned: {named}. Finish or cancel that in Salesforce first."
            raise Conflict(sentence, code="fulfilment_open")
        began = await connection.fetchval(
            "INSERT INTO portal.erasures (account_id, user_id, email_hash) VALUES ($1, $2, $3) "
            "ON CONFLICT (account_id) DO NOTHING RETURNING true",
            subject.account_id,
            subject.user_id,
            hashed(subject.email),
        )
        owners = (("whmcs", subject.whmcs_client_id), ("salesforce", subject.salesforce_account_id))
        await connection.executemany(
            "INSERT INTO portal.erased_owners VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            [(*owner, subject.account_id) for owner in owners],
        )
        if began:
            await audit(connection, operator, "customer.erase_begun", [str(subject.account_id)])


async def _sign_in(resources: Resources, subject: Subject) -> None:
    async with resources.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL portal.erasing = 'on'")
        for statement, value in (
            ("DELETE FROM portal.sessions WHERE user_id = $1", subject.user_id),
            ("DELETE FROM portal.totp WHERE user_id = $1", subject.user_id),
            ("DELETE FROM portal.recovery_codes WHERE user_id = $1", subject.user_id),
            ("DELETE FROM portal.password_resets WHERE user_id = $1", subject.user_id),
            ("DELETE FROM portal.mails WHERE lower(recipient) = lower($1)", subject.email),
            ("DELETE FROM portal.link_tokens WHERE whmcs_client_id = $1", subject.whmcs_client_id),
            ("UPDATE portal.signups SET email = '' WHERE customer_number = $1", subject.customer_number),
            ("DELETE FROM portal.commands WHERE account_id = $1", subject.account_id),
            ("UPDATE portal.fulfilments SET facts = '{}' WHERE account_id = $1", subject.account_id),
            ("UPDATE portal.audit SET address = NULL WHERE user_id = $1", subject.user_id),
            ("UPDATE portal.audit SET address = NULL WHERE account_id = $1", subject.account_id),
        ):
            await connection.execute(statement, value)
        await connection.execute(
            "UPDATE portal.users SET email = $2, first_name = '', last_name = '', password_hash = 'erased' "
            "WHERE id = $1",
            subject.user_id,
            NOBODY.format(subject.user_id),
        )


async def _quiet(resources: Resources, subject: Subject) -> None:
    """Wait for whoever read the records before the erasure was written down and may write them after it."""
    async with asyncio.timeout(QUIET_SECONDS):
        while await resources.pool.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND backend_type = "
            "'client backend' AND xact_start < (SELECT requested_at FROM portal.erasures WHERE account_id = $1))",
            subject.account_id,
        ):
            await asyncio.sleep(0.2)


async def _mirror(resources: Resources, subject: Subject) -> None:
    rows = await resources.pool.fetch(
        f"SELECT source, object, record_id, data FROM mirror.records WHERE {_MINE}",
        subject.whmcs_client_id,
        subject.salesforce_account_id,
    )
    await resources.pool.executemany(
        "UPDATE mirror.records SET data = $4 WHERE (source, object, record_id) = ($1, $2, $3)",
        [
            (row["source"], row["object"], row["record_id"], erased.without_person(row["object"], row["data"]))
            for row in rows
        ],
    )


async def _inbox(resources: Resources, subject: Subject) -> None:
    """Settled entries say nothing any more; open ones keep their data until they are applied, which strips them."""
    mine = (
        f"(source, object, record_id) IN (SELECT source, object, record_id FROM mirror.records WHERE {_MINE}) "
        "OR owner_id IN ($1, $2)"
    )
    owners = subject.whmcs_client_id, subject.salesforce_account_id
    await resources.pool.execute(
        f"UPDATE ingest.inbox SET data = '{{}}' WHERE settled_at IS NOT NULL AND ({mine})", *owners
    )
    await resources.pool.execute(
        "UPDATE ingest.dead_letters SET error = split_part(error, '(', 1), stack = '' "
        f"WHERE (source, object, record_id) IN (SELECT source, object, record_id FROM mirror.records WHERE {_MINE})",
        *owners,
    )


async def _read_models(resources: Resources, subject: Subject) -> None:
    await resources.pool.execute("DELETE FROM read_model.pending WHERE account_id = $1", subject.account_id)
    await rebuild.rebuild_account(resources.pool, with_previous(resources.settings), subject.account_id)


async def _redis(resources: Resources, subject: Subject) -> None:
    """Copies are dropped, not only replaced: one that nothing writes any more would stay."""
    try:
        await publish.publish(resources.pool, resources.redis)
        found = [name async for name in resources.redis.scan_iter(key(subject.account_id, "*"), count=1_000)]
        found.append(f"portal:customer-number:{subject.customer_number.upper()}".encode())
        await resources.redis.delete(*found)
    except (RedisError, OSError) as error:
        sentence = "Redis cannot be reached and may hold copies. Ask again once it is back; what is done stays done."
        raise Conflict(sentence, code="erasure_unfinished") from error


async def _whmcs(resources: Resources, subject: Subject) -> None:
    """Names, addresses and numbers. The client itself stays: its invoices must be kept."""
    nobody = NOBODY.format(subject.account_id)
    fields = {"firstname": "Erased", "lastname": "Erased", "companyname": "Erased", "email": nobody}
    fields |= {"address1": "Erased", "city": "Erased", "state": "Erased", "postcode": "000-0000"}
    await resources.whmcs.update_client(subject.whmcs_client_id, {**fields, "phonenumber": "0000000000"})


async def _salesforce(resources: Resources, subject: Subject) -> None:
    fields = {"Name": "Erased customer", "Portal_Status__c": "Not Yet"}
    await resources.salesforce.update("Account", subject.salesforce_account_id, fields)


Step = Callable[[Resources, Subject], Awaitable[Any]]
STEPS: dict[str, Step] = {
    "sign-in": _sign_in,
    "quiet": _quiet,
    "mirror": _mirror,
    "inbox": _inbox,
    "read models": _read_models,
    "redis": _redis,
}
UPSTREAM_STEPS: dict[str, Step] = {"whmcs": _whmcs, "salesforce": _salesforce}


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
