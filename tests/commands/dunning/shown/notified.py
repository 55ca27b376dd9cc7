"""What reached the customers of the steps of dunning: entries of the timeline that notify, and mails."""

from collections import Counter
from itertools import groupby
from typing import Any

import msgspec

from app.commands import mail_outbox
from app.commands.dunning.shown.announce import MAILED, announce_due
from tests.commands.dunning.collecting import Collecting
from tests.commands.dunning.walkers import Walker

KINDS = {
    "payment_failed": "charge_failed",
    "new_method_failed": "charge_failed",
    "new_card_needed": "payment_method_needed",
    "suspension_announced": "suspension_announced",
    "suspended": "service_suspended",
    "restored": "service_active",
}
"""Step → kind of the one notification of it."""
_MAILS = """
SELECT s.step || ' ' || s.number AS step, m.outcome FROM portal.mails m
JOIN portal.dunning_steps s ON s.notice_id = m.about
WHERE m.kind = 'dunning' AND s.whmcs_invoice_id = $1 ORDER BY m.id
"""
_SENT = """
SELECT recipient, count(*)::int AS count FROM portal.mails
WHERE outcome = 'sent' AND NOT id = ANY ($1::bigint[]) GROUP BY recipient
"""
_ALL_SENT = "SELECT array_agg(id) FROM portal.mails WHERE outcome = 'sent'"


async def show(c: Collecting) -> None:
    """Show customers what there is to show."""
    await announce_due(c.desk.context, c.at)
    await c.desk.settle()


async def deliver(c: Collecting) -> None:
    """Send the mails that are due, each to its mailbox once."""
    control, pool = c.desk.sandbox.control, c.desk.pool
    sent_before = await pool.fetchval(_ALL_SENT) or []
    await control.delete("/mail/")
    while await mail_outbox.send_due(pool, c.desk.resources.settings):
        pass
    received = (await control.get("/mail/")).json()["mails"]
    sent = {each["recipient"]: each["count"] for each in await pool.fetch(_SENT, sent_before)}
    assert Counter(each["to"] for each in received) == Counter(sent)


async def entries(c: Collecting, walker: Walker) -> Counter[str]:
    """Count the notifications of a customer about the invoice and its service, by kind."""
    sql = "SELECT document FROM read_model.timeline WHERE account_id = $1 AND notifies"
    found: list[Any] = [
        msgspec.json.decode(each["document"]) for each in await c.desk.pool.fetch(sql, walker.actor.account_id)
    ]
    ours = [
        each
        for each in found
        if each["invoice_id"] == walker.invoice
        or (each["kind"] in ("service_suspended", "service_active") and each["subscription_ids"] == [walker.service])
    ]
    return Counter(each["kind"] for each in ours if each["kind"] in KINDS.values())


async def each_step_once(c: Collecting, walker: Walker, before: Counter[str]) -> None:
    """Compare what a customer was told with the model: in the journal, as notifications and by mail."""
    wanted = [step for _, step in walker.model.told]
    journaled = [each for each in await c.told(walker.invoice) if not each.startswith("settled ")]
    assert journaled == wanted, walker
    notified = Counter(KINDS[each.split()[0]] for each in wanted)
    notified["service_suspended"] += walker.model.abused  # staff did, and the customer is told of that too
    more = await entries(c, walker) - before
    more.subtract(notified)
    declined = more.pop("charge_failed", 0)  # WHMCS tells of a first card by itself if the second one is tried later
    assert not any(more.values()), f"{walker}: {more}"
    assert 0 <= declined <= walker.model.seconds, f"{walker}: {declined}"
    await _mailed_once(c, walker)


async def _mailed_once(c: Collecting, walker: Walker) -> None:
    """Steps of one moment are one mail, which is about the last of them; so each day's last step has its own."""
    rows = await c.desk.pool.fetch(_MAILS, int(walker.invoice))
    mailed = [each["step"] for each in rows]
    assert {each["outcome"] for each in rows} <= {"sent"}, walker
    assert len(mailed) == len(set(mailed)), walker
    told = [(day, step) for day, step in walker.model.told if step.split()[0] in MAILED]
    assert set(mailed) <= {step for _, step in told}, walker
    last_of_days = [list(steps)[-1][1] for _, steps in groupby(told, key=lambda each: each[0])]
    assert set(last_of_days) <= set(mailed), walker
