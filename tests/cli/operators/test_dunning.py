"""`portal dunning`, as an operator runs it."""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from app.events import Change
from tests.commands.dunning.shown.conftest import account, billed, feed
from tests.commands.dunning.shown.journaled import journal, step

__all__ = ["account", "billed", "feed"]

Feed = Callable[[Sequence[Change]], Awaitable[None]]
LATER = (datetime.now(UTC) + timedelta(days=14)).date().isoformat()


async def test_dunning_is_listed_shown_held_and_goes_on(portal: Any, pool: asyncpg.Pool, billed: UUID) -> None:
    assert "No invoice is in dunning." in portal("dunning").stdout
    await journal(pool, billed, state="grace", slot=3, attempts=3, last_decline_code="card_invalid")
    await step(pool, billed, "payment_failed", 3, decline_code="card_invalid")
    listed = json.loads(portal("dunning", "list", "--json").stdout)
    assert ([each["whmcs_invoice_id"] for each in listed["dunning"]], listed["counts"]["grace"]) == ([77], 1)
    assert "3 of 3" in portal("dunning").stdout
    assert "No invoice is settled." in portal("dunning", "list", "--state", "settled").stdout
    held = portal("dunning", "hold", "77", "--until", LATER, "--reason", "disputes it")
    assert (held.returncode, f"Invoice 77 is held until {LATER}" in held.stdout) == (0, True), held.stderr
    shown = portal("dunning", "show", "77").stdout
    assert "payment_failed 3  decline_code card_invalid" in shown
    assert "disputes it" in shown
    assert json.loads(portal("dunning", "show", "77", "--json").stdout)["holds"][0]["until"] == LATER
    forgiven = portal("dunning", "forgive", "77", "--reason", "goodwill")
    assert "held for good" in forgiven.stdout
    lifted = json.loads(portal("dunning", "lift", "77", "--reason", "by mistake", "--json").stdout)
    assert len(lifted["holds"]) == 1
    of_account = portal("dunning", "hold", "--account", str(billed), "--until", LATER, "--reason", "in hospital")
    assert f"Account {billed} is held" in of_account.stdout
    assert portal("dunning", "lift", "--account", str(billed), "--reason", "back").returncode == 0
    actions = await pool.fetch("SELECT DISTINCT action FROM portal.audit WHERE detail ->> 'operator' <> ''")
    assert {each["action"] for each in actions} == {"dunning.hold", "dunning.forgive", "dunning.lift"}


async def test_the_policy_is_shown(portal: Any, pool: asyncpg.Pool) -> None:
    shown = portal("dunning", "policy").stdout
    assert "1, 3, 7" in shown
    assert "captures: whmcs" in shown
    assert json.loads(portal("dunning", "policy", "--json").stdout)["policies"][0]["grace_days"] == 7


async def test_what_cannot_be_done_is_refused_in_one_sentence(portal: Any, billed: UUID) -> None:
    nobody = ("--until", LATER, "--reason", "x")
    for arguments, status, said in (
        (("show", "99"), 1, "invoice_not_found"),
        (("hold", "77", "--until", "2020-01-01", "--reason", "x"), 1, "hold_day_invalid"),
        (("lift", "77", "--reason", "x"), 1, "no_hold"),
        (("hold", *nobody), 2, "name an invoice"),
        (("hold", "77", "--account", str(billed), *nobody), 2, "name an invoice"),
        (("forgive", "77", "--reason", " "), 2, "give a reason"),
    ):
        refused = portal("dunning", *arguments)
        assert (refused.returncode, said in refused.stderr) == (status, True), (arguments, refused.stderr)
