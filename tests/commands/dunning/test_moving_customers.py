"""Customers who are merged or erased in the middle of dunning: what staff agreed with them goes with them."""

from datetime import timedelta

import msgspec
import pytest

from app.audit import Operator
from app.clock import now
from app.commands.dunning.merged_holds import follow_merges
from app.commands.dunning.staff import holds, overview
from app.commands.execution.context import Actor
from app.integrations.whmcs.webhook import decode
from app.personal_data import subject as subjects
from app.personal_data.erase import erase
from tests.commands.dunning.collecting import DECLINED, GOOD, MONDAY, Collecting

MIKA = Operator(name="mika")


@pytest.fixture
async def aya(collecting: Collecting) -> Actor:
    """A customer whose only card is declined."""
    actor = await collecting.desk.customer()
    await collecting.card(actor, DECLINED, only=True)
    return actor


async def hold(c: Collecting, actor: Actor, invoice: str | None, until: object) -> None:
    """Staff hold an invoice, or all of an account, until a day of the sandbox's clock."""
    await c.desk.pool.execute(
        "INSERT INTO portal.dunning_holds (account_id, whmcs_invoice_id, reason, until, placed_by) "
        "VALUES ($1, $2, 'ill', $3, 'mika')",
        str(actor.account_id),
        int(invoice) if invoice else None,
        until,
    )


async def merge(c: Collecting, gone: Actor, into: Actor, *invoices: str) -> None:
    """Staff merge a client into another, of whom the portal has an account too; the merge waits for staff."""
    path = f"/whmcs/clients/{gone.whmcs_client_id}/merge"
    (await c.desk.sandbox.control.post(path, json={"into": into.whmcs_client_id})).raise_for_status()
    for resource in ("client_invoices", "client_services"):
        await c.desk.reread(resource, into.whmcs_client_id)
    for invoice in invoices:
        await c.desk.reread("invoice", invoice)
    body = {"event": "AfterClientMerge", "object": "client", "id": gone.whmcs_client_id, "occurred_at": now()}
    into_it = {"client_id": into.whmcs_client_id, "merged_into": into.whmcs_client_id}
    await c.desk.resources.inbox.submit(decode("w1", msgspec.json.encode({**body, **into_it})).changes)
    for _ in range(3):
        await c.desk.work.sweep()
    waiting = "UPDATE ingest.inbox SET settled_at = now() WHERE object = 'merge' AND settled_at IS NULL RETURNING true"
    assert await c.desk.pool.fetchval(waiting)


@pytest.mark.parametrize("whole_account", [False, True], ids=["of an invoice", "of the account"])
@pytest.mark.parametrize("begun", [False, True], ids=["before its dunning", "in its grace"])
async def test_a_hold_goes_with_a_merged_client(
    collecting: Collecting, aya: Actor, whole_account: bool, begun: bool
) -> None:
    c, service = collecting, await collecting.service(aya)
    other = await c.desk.customer(number=1)
    await c.card(other, GOOD, only=True)
    invoice = await c.bill(aya, MONDAY, service)
    today = MONDAY - timedelta(days=1)
    if begun:
        await c.days(MONDAY, 9)
        today = MONDAY + timedelta(days=9)
    await c.move_to(today)
    until = today + timedelta(days=20)
    await hold(c, aya, None if whole_account else invoice, until)
    await merge(c, aya, other, invoice)
    tries = await c.tries()
    await c.days(today, 12)
    row = await c.row(invoice)
    assert row is not None
    assert (row.account_id, row.state) == (str(other.account_id), "grace" if begun else "trying")
    assert (await c.tries(), await c.status(service)) == (tries, "Active")
    listed = await overview.listed(c.desk.pool, c.desk.resources.settings, None, 10)
    assert [each.hold_reason for each in listed] == ["ill"]
    if not whole_account:
        target = await holds.target_of_invoice(c.desk.pool, int(invoice))
        assert len(await holds.lift(c.desk.context, MIKA, target, "well again")) == 1


@pytest.mark.parametrize("held", [True, False])
async def test_the_first_charges_after_a_merge_know_the_hold(collecting: Collecting, aya: Actor, held: bool) -> None:
    """The job that follows what is paid, which follows merges too, has not run in between."""
    c, other = collecting, await collecting.desk.customer(number=1)
    await c.card(other, GOOD, only=True)
    invoice = await c.bill(aya, MONDAY, await c.service(aya))
    await c.move_to(MONDAY)
    if held:
        await hold(c, aya, None, MONDAY + timedelta(days=60))
    await merge(c, aya, other, invoice)
    tries = await c.tries()
    await c.captures()
    assert (await c.tries() == tries) == held


@pytest.mark.parametrize("held", [True, False])
async def test_the_first_suspensions_after_a_merge_know_the_hold(
    collecting: Collecting, aya: Actor, held: bool
) -> None:
    """No other job has run in between. The first run gives the row to the client that has the invoice now."""
    c, service, other = collecting, await collecting.service(aya), await collecting.desk.customer(number=1)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 14)
    await c.move_to(MONDAY + timedelta(days=14))
    if held:
        await hold(c, aya, None, MONDAY + timedelta(days=60))
    await merge(c, aya, other, invoice)
    for _ in range(2):
        await c.suspension()
    assert await c.status(service) == ("Active" if held else "Suspended")


async def test_a_lifted_hold_of_a_merged_client_stays_lifted(collecting: Collecting, aya: Actor) -> None:
    c, other = collecting, await collecting.desk.customer(number=1)
    await hold(c, aya, None, MONDAY + timedelta(days=60))
    await merge(c, aya, other)
    await c.desk.pool.execute(
        "UPDATE ingest.inbox SET settled_at = NULL, next_attempt_at = now() - interval '1 second'"
        " WHERE object = 'merge'"
    )
    target = await holds.target_of_account(c.desk.pool, other.account_id)
    assert len(await holds.lift(c.desk.context, MIKA, target, "well again")) == 1
    await c.desk.work.sweep()
    await follow_merges(c.desk.pool)
    open_holds = "SELECT count(*) FROM portal.dunning_holds WHERE account_id = $1 AND lifted_at IS NULL"
    assert await c.desk.pool.fetchval(open_holds, str(other.account_id)) == 0


@pytest.mark.parametrize("days", [3, 10, 16], ids=["while it is charged", "in its grace", "suspended"])
async def test_nothing_is_charged_suspended_or_kept_of_an_erased_customer(
    collecting: Collecting, aya: Actor, days: int
) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, days)
    tries, status = await c.tries(), await c.status(service)
    assert status == ("Suspended" if days == 16 else "Active")
    email = await c.desk.pool.fetchval("SELECT email FROM portal.users WHERE id = $1", aya.user_id)
    await erase(c.desk.resources, await subjects.find(c.desk.pool, email), MIKA, lambda *_: None, upstream={})
    await c.card(aya, GOOD)
    await c.days(MONDAY + timedelta(days=days), 16)
    row = await c.row(invoice)
    assert row is not None
    assert (row.state, row.ended_reason) == ("abandoned", "customer_erased")
    assert (row.last_decline_kind, row.last_decline_code, row.methods_seen, row.methods_refused) == (None, None, [], [])
    assert (await c.tries(), await c.status(service)) == (tries, status)
