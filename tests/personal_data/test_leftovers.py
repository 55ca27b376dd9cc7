"""Places that an erasure could easily forget: parked changes, journals, generations, late copies."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from app.clock import now
from app.commands.execution.context import Actor
from app.commands.identity.enrolment import invitations
from app.commands.subscriptions.plan_changes import scheduled
from app.events import Change
from app.ingest.apply import drain
from app.ingest.inbox import claims
from app.personal_data.subject import Subject
from app.resources import Resources
from tests.fixtures.enrolling import begun, request_of
from tests.fixtures.linked import settle_all as settle
from tests.personal_data.conftest import OPERATOR, news
from tests.personal_data.test_erase import erased, leaks


async def park(resources: Resources, change: Change) -> None:
    """As if it had failed so often that it was parked."""
    await resources.inbox.submit([change])
    row = await resources.pool.fetchrow("SELECT id FROM ingest.inbox WHERE event_id = $1", change.event_id)
    entry = claims.InboxEntry(id=row["id"], submission=1, attempts=drain.ATTEMPTS, received_at=now(), change=change)
    error = ValueError(f"cannot digest {json.dumps(change.data)}")
    async with resources.pool.acquire() as connection:
        await drain.fail(connection, entry, error)


@pytest.mark.parametrize("known", [True, False])
async def test_parked_changes_keep_nothing(
    resources: Resources, subject: Subject, person: dict[str, Any], known: bool
) -> None:
    key = ("whmcs", "client", subject.whmcs_client_id) if known else ("whmcs", "pay_method", "99901")
    mine = {"email": person["email"], "phonenumber": person["phone"], "currency_code": "JPY"}
    mine |= {"firstname": "", "lastname": "", "type": "CreditCard"}
    await park(resources, news(*key, mine, owner_id=subject.whmcs_client_id))
    await resources.inbox.submit([news(*key, mine, owner_id=subject.whmcs_client_id)])
    assert await resources.pool.fetchval("SELECT count(*) FROM ingest.dead_letters WHERE resolved_at IS NULL") == 1
    await erased(resources, subject)
    assert await leaks(resources, person) == []
    await settle(resources)
    assert await leaks(resources, person) == []
    assert await resources.pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL") == 0


async def test_a_change_that_cannot_be_applied_after_the_erasure_keeps_nothing(
    resources: Resources, subject: Subject, person: dict[str, Any]
) -> None:
    await erased(resources, subject)
    data = {"email": person["email"], "phonenumber": person["phone"]}
    await park(resources, news("whmcs", "invoice", "99902", data, owner_id=subject.whmcs_client_id))
    assert await leaks(resources, person) == []
    assert await resources.pool.fetchval("SELECT count(*) FROM ingest.dead_letters WHERE resolved_at IS NULL") == 0


async def test_sign_ups_links_and_letters_keep_nothing(
    resources: Resources, subject: Subject, person: dict[str, Any], sandbox: Any
) -> None:
    """Mails to a mailbox on file that is not the user's, and what strangers began with the customer's number."""
    actor = Actor(address="203.0.113.7")
    body = {"email": "owner@example.net", "password": "pw", "owns": [subject.whmcs_client_id]}
    await sandbox.control.post("/whmcs/users", json=body)
    await resources.pool.execute("UPDATE portal.users SET email = 'login@example.net'")
    await begun(resources.context, request_of(person), actor)
    await invitations.invite(resources.context, OPERATOR, [subject.customer_number], days=9)
    await resources.pool.execute(
        "INSERT INTO portal.mails (kind, recipient, about) VALUES ('account_linked', $1, $2)",
        person["email"],
        subject.account_id,
    )
    await resources.pool.execute(
        "INSERT INTO portal.enrolments (id, token_hash, purpose, subject, sealed_facts, expires_at, whmcs_client_ids) "
        "VALUES ($1, 'x', 'link', '7', 'x', now(), $2)",
        subject.account_id,
        [subject.whmcs_client_id, "5"],
    )
    await resources.pool.execute(
        "INSERT INTO portal.audit (action, outcome, target, address) VALUES ('link_account', 'ok', $1, '203.0.113.7')",
        subject.whmcs_client_id,
    )
    assert [line for word, line in await found_words(resources, person) if word == person["email"]]
    await erased(resources, subject)
    assert await leaks(resources, person) == []
    for table in ("enrolments", "invitations", "mails"):
        assert await resources.pool.fetchval(f"SELECT count(*) FROM portal.{table}") == 0


async def found_words(resources: Resources, person: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each.split(" in ")[0], each) for each in await leaks(resources, person) if "portal.mails" in each]


async def test_journals_of_provisioning_keep_nothing(
    resources: Resources, subject: Subject, person: dict[str, Any]
) -> None:
    await resources.pool.execute(
        "INSERT INTO portal.fulfilments (order_id, account_id, state, step, error_message, facts) "
        "VALUES ('801B', $1, 'done', 'sim', $2, $3)",
        subject.account_id,
        f"no line {person['phone']}",
        {"sim_account": person["phone"]},
    )
    await resources.pool.execute(
        "INSERT INTO portal.fulfilment_steps (order_id, step, attempt, outcome, detail) "
        "VALUES ('801B', 'sim', 1, 'next', $1)",
        {"facts": {"sim_account": person["phone"]}},
    )
    await resources.pool.execute(
        "INSERT INTO portal.provision_steps (order_id, position, step, state, error_message) "
        "VALUES ('801B', 1, 'configure_email', 'failed', $1)",
        f"no mailbox for {person['phone']}",
    )
    await erased(resources, subject)
    assert await leaks(resources, person) == []


async def test_scheduled_changes_are_not_made(resources: Resources, subject: Subject) -> None:
    await resources.pool.execute(
        "INSERT INTO portal.scheduled_changes (schedule_id, account_id, subscription_id, whmcs_client_id, "
        "command_digest, present_name, sku, product_name, direction, monthly, effective_date, due_at, "
        "next_attempt_at, version) VALUES ($1, $2, '55', '1', 'k', 'Hosting Pro', 'HOSTING-BASIC', 'Hosting Basic', "
        "'downgrade', 800, '2999-01-01', now(), now(), 1)",
        uuid4(),
        subject.account_id,
    )
    await erased(resources, subject)
    row = await resources.pool.fetchrow("SELECT state, command_digest FROM portal.scheduled_changes")
    assert tuple(row) == ("cancelled", "")
    assert await scheduled.claim(resources.pool, 60) is None


async def test_a_generation_that_nobody_feeds_keeps_nothing(
    resources: Resources, subject: Subject, person: dict[str, Any]
) -> None:
    pool = resources.pool
    await pool.execute("CREATE TABLE generations.profiles_0 AS SELECT * FROM read_model.profiles")
    await pool.execute(
        "INSERT INTO read_model.generations (slice, generation, projector_version, state, retired_at) "
        "VALUES ('profiles', 0, 0, 'retired', now())"
    )
    try:
        await erased(resources, subject)
        assert await leaks(resources, person) == []
    finally:
        await pool.execute("DELETE FROM read_model.generations WHERE slice = 'profiles' AND generation = 0")
        await pool.execute("DROP TABLE generations.profiles_0")


async def test_a_session_that_began_while_the_customer_was_being_erased_ends(
    resources: Resources, subject: Subject, person: dict[str, Any]
) -> None:
    await erased(resources, subject)
    await resources.pool.execute(
        "INSERT INTO portal.sessions (id, token_hash, user_id, expires_at, address) "
        "VALUES ($1, 'x', $2, now() + interval '1 hour', '203.0.113.7')",
        uuid4(),
        subject.user_id,
    )
    await resources.pool.execute(
        "UPDATE portal.erasures SET finished_at = NULL, steps = array_remove(steps, 'stragglers')"
    )
    await erased(resources, subject)
    assert await leaks(resources, person) == []


async def test_no_copy_of_an_answer_outlives_its_customer(
    resources: Resources, subject: Subject, person: dict[str, Any]
) -> None:
    from app.readmodels import documents

    place = documents.page_key(str(subject.account_id), "code", "/api/account/profile")
    await resources.redis.set(place, person["email"])
    assert await leaks(resources, person) != []
    await erased(resources, subject)
    assert await leaks(resources, person) == []


_PROVIDED = """
INSERT INTO portal.provided_services (subscription_id, account_id, order_id, provider, account_name, state, seen,
                                      remove_at)
VALUES ($1, $2, 'o1', 'freebit', $1, 'settled', '', $3)
"""


async def test_services_are_not_followed_any_longer_except_to_remove_what_has_ended(
    resources: Resources, subject: Subject
) -> None:
    """Else the account of an erased customer would stay at its provider for ever."""
    await resources.pool.execute(_PROVIDED, "07000000001", subject.account_id, None)
    await resources.pool.execute(_PROVIDED, "07000000002", subject.account_id, datetime(2026, 1, 1, tzinfo=UTC))
    await resources.pool.execute(
        "INSERT INTO portal.provider_steps (subscription_id, step, outcome) VALUES ('07000000001', 'cancel', 'begun')"
    )
    await erased(resources, subject)
    rows = await resources.pool.fetch("SELECT subscription_id FROM portal.provided_services")
    assert [row["subscription_id"] for row in rows] == ["07000000002"]
    assert await resources.pool.fetchval("SELECT count(*) FROM portal.provider_steps") == 0
