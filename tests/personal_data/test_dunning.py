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

WORDS = ("insufficient_funds", "in hospital")


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
    row = await pool.fetchrow("SELECT state, ended_reason FROM portal.dunning WHERE whmcs_invoice_id = $1", invoice_id)
    assert tuple(row) == ("abandoned", "customer_erased")
    documents = await pool.fetch("SELECT document FROM read_model.invoices WHERE account_id = $1", account_id)
    assert [found for each in documents if (found := msgspec.json.decode(each["document"])["dunning"])] == []
    lines = [
        line
        for line in (await everywhere(resources)).splitlines()
        if not line.startswith(("portal.audit:", "portal.dunning:", "ingest.inbox:"))
    ]
    assert [(word, line[:60]) for word in WORDS for line in lines if word in line] == []
