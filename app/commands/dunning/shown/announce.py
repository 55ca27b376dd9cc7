"""Show customers what dunning did and does next: to the mirror, as a record under the invoice and its services, and by
mail.

Whatever wrote the journal, a change of it is found here within seconds; a hold that ends, a planned day that passes and
a changed setting are found as well. `portal.dunning_news` holds what was shown last, so the same is never said twice,
and its row is written in the transaction of the submission and of the mail.

Reads: portal.dunning, dunning_steps, dunning_suspensions, dunning_holds, id_mappings; read_model.invoices, profiles.
Writes: portal.dunning_news, portal.mails, ingest.inbox.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import structlog
from msgspec import Struct

from app import clock
from app.calendar import zone_of
from app.commands import mail_outbox
from app.commands.dunning.holding import covers
from app.commands.dunning.shown import facts as told
from app.commands.dunning.shown.facts import HoldInForce, JournalRow, Surroundings
from app.commands.execution.context import Context
from app.db import Db, is_outage, row
from app.events import Change, milliseconds
from app.ingest.inbox import inbox
from app.ingest.inbox.isolation import Woken
from app.readmodels.billing.dunning import OF_SERVICE, RECORD, DunningFacts
from app.settings import Settings

BATCH = 200
MOST_STEPS = 50
MAILED = (
    *("payment_failed", "new_method_failed", "new_card_needed"),
    *("suspension_announced", "suspended", "restored"),
)
"""Steps that the customer is told by mail as well."""

_DUE = """
SELECT d.whmcs_invoice_id FROM portal.dunning d LEFT JOIN portal.dunning_news n USING (whmcs_invoice_id)
WHERE (n.whmcs_invoice_id IS NULL OR n.seen_at <> d.updated_at OR n.recheck_at <= $1
       OR n.mailed_step < (SELECT max(s.id) FROM portal.dunning_steps s WHERE s.whmcs_invoice_id = d.whmcs_invoice_id)
       OR (d.ended_at IS NULL AND n.automators <> $2))
  AND (d.ended_at IS NULL OR d.updated_at > $1 - interval '30 days') AND d.whmcs_invoice_id <> ALL($3::bigint[])
ORDER BY d.updated_at LIMIT $4
"""
_JOURNAL = f"""
SELECT {", ".join(JournalRow.__struct_fields__)} FROM portal.dunning WHERE whmcs_invoice_id = $1 FOR NO KEY UPDATE
"""
_AROUND = """
SELECT (SELECT nullif(i.invoice_number, '') FROM read_model.invoices i
        WHERE i.invoice_id = $1::bigint::text AND i.account_id = $2::uuid) AS invoice_number,
       (SELECT p.country FROM read_model.profiles p WHERE p.account_id = $2::uuid) AS country
"""
_PAUSE = f"""
SELECT h.until FROM portal.dunning_holds h WHERE {covers(account="$2", invoice="$1", today="$3")}
ORDER BY h.until DESC NULLS FIRST LIMIT 1
"""
_STEPS = """
SELECT * FROM (SELECT id, round, step, number, at, detail, notice_id FROM portal.dunning_steps
               WHERE whmcs_invoice_id = $1
               ORDER BY id DESC LIMIT $2) AS newest ORDER BY id
"""
_SUSPENSIONS = """
SELECT subscription_id, suspended_at, ended_at FROM portal.dunning_suspensions
WHERE whmcs_invoice_id = $1 AND suspended_at IS NOT NULL
"""
_LAST = """
SELECT version, facts, subscription_ids, mailed_step FROM portal.dunning_news WHERE whmcs_invoice_id = $1
"""
_KEEP = """
INSERT INTO portal.dunning_news (whmcs_invoice_id, account_id, version, seen_at, recheck_at, automators, facts,
    subscription_ids, mailed_step)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (whmcs_invoice_id) DO UPDATE SET account_id = excluded.account_id, version = excluded.version,
    seen_at = excluded.seen_at, recheck_at = excluded.recheck_at, automators = excluded.automators,
    facts = excluded.facts, subscription_ids = excluded.subscription_ids, mailed_step = excluded.mailed_step
"""

log = structlog.get_logger()

_USER = "SELECT user_id FROM portal.id_mappings WHERE account_id = $1::uuid"


class Shown(Struct, frozen=True, kw_only=True):
    """What was shown last."""

    version: int = 0
    facts: dict[str, Any] = {}
    subscription_ids: list[str] = []
    mailed_step: int = 0


async def announce_due(ctx: Context, at: datetime | None = None) -> int:
    """Show what has changed; returns the number of invoices. One that fails is skipped until the next run."""
    at, shown, failed = at or clock.now(), 0, list[int]()
    while due := await ctx.pool.fetch(_DUE, at, automators(ctx.settings), failed, BATCH):
        for each in due:
            invoice_id = each["whmcs_invoice_id"]
            try:
                await announce_one(ctx, invoice_id, at)
                shown += 1
            except Exception as error:
                if is_outage(error):
                    raise
                log.exception("dunning_not_shown", invoice_id=invoice_id)
                failed.append(invoice_id)
    return shown


async def announce_one(ctx: Context, invoice_id: int, at: datetime | None = None) -> None:
    """Show the dunning of an invoice as it is now."""
    async with ctx.pool.acquire() as connection, connection.transaction():
        woken = await announce(connection, ctx.settings, invoice_id, at)
    await ctx.inbox.wake(woken)


async def announce(connection: Db, settings: Settings, invoice_id: int, at: datetime | None = None) -> Woken:
    """Show the dunning of an invoice as it is in the caller's transaction. Safe to repeat.

    Returns what to wake once the transaction is committed.
    """
    journal = await row(connection, JournalRow, _JOURNAL, invoice_id)
    if journal is None:
        return set()
    around = await _around(connection, settings, journal, at or clock.now())
    steps = [dict(each) for each in await connection.fetch(_STEPS, invoice_id, MOST_STEPS)]
    pause = await row(connection, HoldInForce, _PAUSE, invoice_id, journal.account_id, around.today)
    facts = told.facts_of(journal, pause, [told.told_step(each, around) for each in steps], around)
    last = await row(connection, Shown, _LAST, invoice_id) or Shown()
    services = await _services(connection, journal, facts, last)
    shown = msgspec.to_builtins({"invoice": facts, "services": services})
    version, woken = last.version, set[tuple[str, int]]()
    if shown != last.facts:
        written_at = clock.now()
        version = max(last.version + 1, milliseconds(written_at))
        _, woken = await inbox.append(connection, _changes(journal, facts, services, version, written_at))
    await connection.execute(
        _KEEP,
        invoice_id,
        journal.account_id,
        version,
        journal.updated_at,
        told.recheck_at(facts, around),
        automators(settings),
        shown,
        sorted(services),
        await _mail(connection, journal, steps, last.mailed_step),
    )
    return woken


def automators(settings: Settings) -> str:
    """Name who charges and who suspends, in one word, to notice a changed setting."""
    return f"{settings.automator_of('captures')}/{settings.automator_of('suspension')}"


async def _around(connection: Db, settings: Settings, journal: JournalRow, at: datetime) -> Surroundings:
    found = await connection.fetchrow(_AROUND, journal.whmcs_invoice_id, journal.account_id)
    return Surroundings(
        charges=settings.automator_of("captures") == "portal",
        suspends=settings.automator_of("suspension") == "portal",
        now=at,
        billing_zone=ZoneInfo(settings.whmcs_time_zone),
        customer_zone=zone_of(found["country"] if found else None, settings.whmcs_time_zone),
        invoice_number=found["invoice_number"] if found else None,
    )


async def _services(connection: Db, journal: JournalRow, facts: DunningFacts, last: Shown) -> dict[str, DunningFacts]:
    """Return the facts for each service that the invoice bills, or billed when it was shown last."""
    found = await connection.fetch(_SUSPENSIONS, journal.whmcs_invoice_id)
    suspended = {each["subscription_id"]: dict(each) for each in found}
    billed = set(journal.subscription_ids)
    return {
        number: told.of_service(facts, number in billed, suspended.get(number), journal.ended_at)
        for number in sorted(billed | suspended.keys() | set(last.subscription_ids))
    }


def _changes(
    journal: JournalRow, facts: DunningFacts, services: Mapping[str, DunningFacts], version: int, at: datetime
) -> list[Change]:
    invoice_id = str(journal.whmcs_invoice_id)
    records = [(RECORD, invoice_id, invoice_id, facts)]
    records += [(OF_SERVICE, f"{invoice_id}:{number}", number, each) for number, each in services.items()]
    return [
        Change.whole(
            "whmcs",
            name,
            record_id,
            msgspec.to_builtins(each),
            event_id=f"{name}:{record_id}:{version}",
            version=version,
            occurred_at=at,
            origin="command",
            owner_id=str(journal.whmcs_client_id),
            parent_id=parent_id,
            read_at=at,
        )
        for name, record_id, parent_id, each in records
    ]


async def _mail(connection: Db, journal: JournalRow, steps: Sequence[Mapping[str, Any]], mailed_step: int) -> int:
    """Enqueue one mail for the newest step since the last time, if any; return the last step considered.

    The mail is written when it is sent, from what is true then, so one tells the outcome of all steps before it.
    """
    new = [each for each in steps if each["id"] > mailed_step]
    worth = [each for each in new if each["step"] in MAILED]
    if worth:
        user_id = await connection.fetchval(_USER, journal.account_id)
        await mail_outbox.enqueue_for_user(connection, "dunning", user_id, about=worth[-1]["notice_id"])
    return max([each["id"] for each in new], default=mailed_step)
