"""Dunning of an erased customer ends, and what staff and banks said about them goes."""

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import structs

from app.audit import Operator
from app.commands.dunning.shown.announce import announce_due
from app.commands.dunning.staff import holds
from app.personal_data.subject import Subject
from app.resources import Resources
from tests.commands.dunning.shown.journaled import journal
from tests.fixtures.linked import settle_all as settle
from tests.personal_data.test_erase import erased, everywhere

WORDS = ("insufficient_funds", "in hospital", "8:4242:")


async def test_dunning_of_an_erased_customer_ends_without_a_trace_of_why(
    resources: Resources, subject: Subject
) -> None:
    ours = structs.replace(resources.settings, automate_captures="portal", automate_suspension="portal")
    context = structs.replace(resources, settings=ours).context
    pool, account_id = resources.pool, subject.account_id
    invoice_id = int(
        await pool.fetchval(
            "SELECT invoice_id FROM read_model.invoices WHERE account_id = $1 AND NOT collective ORDER BY "
            "status = 'unpaid' DESC, invoice_id LIMIT 1",
            account_id,
        )
    )
    planned = {"suspend_on": (datetime.now(UTC) + timedelta(days=9)).date(), "next_attempt_at": datetime.now(UTC)}
    client = {"whmcs_client_id": int(subject.whmcs_client_id)}
    await journal(pool, account_id, invoice_id, last_decline_code="insufficient_funds", **planned, **client)
    ended = {"state": "settled", "ended_reason": "paid", "ended_at": datetime.now(UTC)}
    cards = {"methods_seen": ["8:4242:2030-01"], "methods_refused": ["8:4242:2030-01"]}
    await journal(
        pool, account_id, 990, last_decline_kind="soft", last_decline_code="insufficient_funds", **ended, **cards
    )
    await pool.execute(
        "INSERT INTO portal.dunning_steps (whmcs_invoice_id, account_id, step, detail) "
        "VALUES ($1, $2, 'payment_failed', $3)",
        invoice_id,
        str(account_id),
        {"decline_code": "insufficient_funds"},
    )
    target = await holds.target_of_account(pool, account_id)
    await holds.hold(
        context, Operator(name="mika"), target, "in hospital", datetime.now(UTC).date() + timedelta(days=9)
    )
    await announce_due(context)
    await settle(resources)
    await erased(resources, subject)
    await announce_due(context)
    await settle(resources)
    rows = await pool.fetch("SELECT * FROM portal.dunning ORDER BY ended_reason")
    assert [(each["state"], each["ended_reason"]) for each in rows] == [
        ("abandoned", "customer_erased"),
        ("settled", "paid"),
    ]
    assert {(each["last_decline_kind"], each["last_decline_code"]) for each in rows} == {(None, None)}
    assert [each["methods_seen"] + each["methods_refused"] for each in rows] == [[], []]
    holds_left = await pool.fetch("SELECT account_id, reason FROM portal.dunning_holds")
    assert [tuple(each) for each in holds_left] == [(str(account_id), "")]
    documents = await pool.fetch("SELECT document FROM read_model.invoices WHERE account_id = $1", account_id)
    assert [found for each in documents if (found := msgspec.json.decode(each["document"])["dunning"])] == []
    lines = [
        line
        for line in (await everywhere(resources)).splitlines()
        if not line.startswith(("portal.audit:", "ingest.inbox:"))
    ]
    assert [(word, line[:60]) for word in WORDS for line in lines if word in line] == []
