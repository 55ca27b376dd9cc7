"""The steps of an erasure within the portal, in order. Each is idempotent.

Reads and writes: portal.*, mirror.records, ingest.inbox, ingest.dead_letters, read_model.*, generations.*, Redis.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from redis.exceptions import RedisError

from app.audit import Operator
from app.cache.lease import heard_everywhere
from app.commands.identity.sessions import session_store
from app.errors import Conflict
from app.ingest.apply import resolve
from app.ingest.privacy import strip_personal_data
from app.ingest.versions import publish
from app.personal_data.subject import Subject
from app.projections import rebuild
from app.projections.engine import generations
from app.projections.registry import with_previous
from app.readmodels import documents
from app.resources import Resources

NOBODY = "erased-{}@erased.invalid"
QUIET_SECONDS = 60
"""How long transactions that began before the erasure may take."""

_FULFILMENTS = """
UPDATE portal.fulfilments SET facts = '{}', error_message = NULL,
    error_code = CASE state WHEN 'failed' THEN 'CUSTOMER_ERASED' ELSE error_code END,
    state = CASE state WHEN 'failed' THEN 'cancelled' ELSE state END
WHERE account_id = $1
"""
"""Cancels failed orders: without their facts, a retry would not know what was already requested."""

_SCHEDULED = """
UPDATE portal.scheduled_changes SET command_digest = '', error_message = NULL,
    state = CASE state WHEN 'waiting' THEN 'cancelled' ELSE state END, ended_at = coalesce(ended_at, now())
WHERE account_id = $1
"""
"""Cancels future-dated changes of plan."""

_DUNNING = """
UPDATE portal.dunning SET state = 'abandoned', ended_reason = 'customer_erased', next_attempt_at = NULL,
    next_step_at = NULL, suspend_on = NULL, ended_at = now(), updated_at = now(), version = version + 1
WHERE account_id = $1::uuid::text AND ended_at IS NULL
"""
"""Ends what would be charged or suspended."""

_DUNNING_CARDS = """
UPDATE portal.dunning SET last_decline_kind = NULL, last_decline_code = NULL, methods_seen = '{}',
    methods_refused = '{}'
WHERE account_id = $1::uuid::text
"""
"""Forgets cards and why they were declined, also of what ended long ago."""

_ENROLMENT_MAILS = "DELETE FROM portal.mails m USING portal.enrolments e WHERE e.id = m.about AND {}"
"""These mails went to a mailbox on file, which may differ from the user's."""

_ORDERS = "SELECT order_id FROM portal.fulfilments WHERE account_id = $1"

PersonalDataStep = Callable[[Resources, Subject], Awaitable[Any]]


async def sign_in(resources: Resources, subject: Subject) -> None:
    """Erase every way to log in, and what the portal itself recorded about the customer."""
    async with resources.pool.acquire() as connection, connection.transaction():
        await session_store.hold(connection, subject.user_id)
        for statement, value in (*_of_the_login(subject), *_of_the_account(subject)):
            await connection.execute(statement, value)
        await connection.execute(
            "SELECT portal.forget_addresses($1, $2, $3, $4)",
            *(subject.user_id, subject.account_id, subject.customer_number, subject.whmcs_client_id),
        )
        await connection.execute(
            "UPDATE portal.users SET email = $2, first_name = '', last_name = '', password_hash = 'erased' "
            "WHERE id = $1",
            subject.user_id,
            NOBODY.format(subject.user_id),
        )


def _of_the_login(subject: Subject) -> Iterator[tuple[str, object]]:
    """Yield the statements that erase ways to log in and to sign up, each with its parameter."""
    number, client_id = subject.customer_number, subject.whmcs_client_id
    yield "DELETE FROM portal.sessions WHERE user_id = $1", subject.user_id
    yield "DELETE FROM portal.totp WHERE user_id = $1", subject.user_id
    yield "DELETE FROM portal.recovery_codes WHERE user_id = $1", subject.user_id
    yield "DELETE FROM portal.password_resets WHERE user_id = $1", subject.user_id
    yield "DELETE FROM portal.sign_in_codes WHERE user_id = $1", subject.user_id
    yield "DELETE FROM portal.mails WHERE lower(recipient) = lower($1)", subject.email
    yield "DELETE FROM portal.mails WHERE about = $1", subject.account_id
    yield _ENROLMENT_MAILS.format("e.whmcs_client_ids @> ARRAY[$1]"), client_id
    yield _ENROLMENT_MAILS.format("e.purpose = 'sign_up' AND e.subject = upper($1)"), number
    yield "DELETE FROM portal.enrolments WHERE whmcs_client_ids @> ARRAY[$1]", client_id
    yield "DELETE FROM portal.enrolments WHERE purpose = 'sign_up' AND subject = upper($1)", number
    yield "DELETE FROM portal.invitations WHERE customer_number = $1", number
    yield "DELETE FROM portal.link_tokens WHERE whmcs_client_id = $1", client_id
    yield "UPDATE portal.signups SET email = '' WHERE customer_number = $1", number


def _of_the_account(subject: Subject) -> Iterator[tuple[str, object]]:
    """Yield the statements that erase what was recorded under the account, each with its parameter."""
    for statement in (
        "DELETE FROM portal.queued_commands WHERE account_id = $1",
        "DELETE FROM portal.commands WHERE account_id = $1",
        "DELETE FROM portal.captures WHERE account_id = $1",
        "DELETE FROM portal.capture_attempts WHERE account_id = $1",
        _DUNNING,
        _DUNNING_CARDS,
        "UPDATE portal.dunning_news SET facts = '{}' WHERE account_id = $1::uuid::text",
        "UPDATE portal.dunning_steps SET detail = '{}' WHERE account_id = $1::uuid::text",
        "UPDATE portal.dunning_holds SET reason = '' WHERE account_id = $1::uuid::text",
        "DELETE FROM portal.notification_reads WHERE account_id = $1",
        "DELETE FROM portal.account_exports WHERE account_id = $1",
        _FULFILMENTS,
        f"UPDATE portal.fulfilment_steps SET detail = '{{}}' WHERE order_id IN ({_ORDERS})",
        f"DELETE FROM portal.provision_steps WHERE order_id IN ({_ORDERS})",
        "UPDATE portal.plan_changes SET command_digest = '', error_message = NULL WHERE account_id = $1",
        _SCHEDULED,
        "DELETE FROM portal.provided_services WHERE account_id = $1 AND remove_at IS NULL",
    ):
        yield statement, subject.account_id


async def quiet(resources: Resources, subject: Subject) -> None:
    """Wait for transactions that cannot see the erasure record yet and may write what they read before.

    Raises:
        Conflict: `erasure_unfinished`.
    """
    written = await resources.pool.fetchval("SELECT clock_timestamp()")
    try:
        async with asyncio.timeout(QUIET_SECONDS):
            while await resources.pool.fetchval(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name = 'portal' AND xact_start < $1)",
                written,
            ):
                await asyncio.sleep(0.2)
    except TimeoutError as error:
        sentence = (
            f"A transaction of the portal has run for more than {QUIET_SECONDS} seconds and may hold old data. End "
            "it in pg_stat_activity, then run the same command again; finished steps are not repeated."
        )
        raise Conflict(sentence, code="erasure_unfinished") from error


async def held(resources: Resources, subject: Subject) -> None:
    """Strip mirror, dead letters and inbox. Parked entries are discarded."""
    given_up = await strip_personal_data.strip(resources.pool, subject.owner_ids)
    if given_up:
        by = Operator(name="erase-customer")
        await resolve.discard(resources.pool, resources.inbox.wake, given_up, by, "erasure of personal data")
        await strip_personal_data.inbox(resources.pool, subject.owner_ids)


async def read_models(resources: Resources, subject: Subject) -> None:
    """Rebuild the read models from the stripped mirror, and delete from generations that this release does not feed."""
    account_id, projectors = subject.account_id, with_previous(resources.settings)
    await resources.pool.execute("DELETE FROM read_model.pending WHERE account_id = $1", account_id)
    await rebuild.rebuild_account(resources.pool, projectors, account_id)
    async with resources.pool.acquire() as connection, connection.transaction():
        fed = {(each.projector.name, each.generation) for each in await generations.live(connection, projectors)}
        for each in await generations.existing(connection):
            if (each.slice, each.generation) not in fed:
                table = f"generations.{each.slice}_{each.generation}"
                await connection.execute(f"DELETE FROM {table} WHERE account_id = $1", account_id)
                await connection.execute(
                    "DELETE FROM read_model.documents WHERE (account_id, slice, generation) = ($1, $2, $3)",
                    account_id,
                    each.slice,
                    each.generation,
                )


async def redis(resources: Resources, subject: Subject) -> None:
    """Delete every copy, after the last process has stopped writing answers rendered before.

    Raises:
        Conflict: `erasure_unfinished`.
    """
    account_id = subject.account_id
    try:
        await publish.publish(resources.pool, resources.redis)
        await heard_everywhere()
        found = [name async for name in resources.redis.scan_iter(documents.key(account_id, "*"), count=1_000)]
        found.append(f"portal:customer-number:{subject.customer_number.upper()}".encode())
        await resources.redis.delete(*found)
    except (RedisError, OSError) as error:
        sentence = "Redis cannot be reached and may hold copies. Run the command again once it is back."
        raise Conflict(sentence, code="erasure_unfinished") from error


STEPS: dict[str, PersonalDataStep] = {
    "sign-in": sign_in,
    "quiet": quiet,
    "mirror and inbox": held,
    "read models": read_models,
    "redis": redis,
    "stragglers": sign_in,
}
"""`sign_in` runs again at the end.

Requests in progress when the erasure began may have ended by storing a session, an answer or an address.
"""
