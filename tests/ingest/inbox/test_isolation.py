"""Isolation: what Postgres cannot store is kept as it came, alone; everything that came with it is stored."""

import base64
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.audit import Operator
from app.events import Change
from app.ingest.apply import dead_letters, resolve
from app.ingest.catch_up.backfill import Backfill
from app.ingest.inbox import inbox, isolation
from app.ingest.inbox.inbox import Inbox
from app.ingest.sources import webhooks
from app.ingest.sources.admission import InboxAdmission
from app.ingest.sources.cdc_listener import Listener
from app.integrations.salesforce.events.pubsub import Batch
from app.resources import Resources
from tests.fixtures.changes import INVOICE, change

Feed = Callable[[Sequence[Change]], Awaitable[None]]
ME = Operator(name="an operator")
NOW = datetime(2026, 2, 1, tzinfo=UTC)


def deep(levels: int) -> Any:
    found: Any = "x"
    for _ in range(levels):
        found = [found]
    return found


def one(**fields: Any) -> Change:
    told = {"data": {"Name": "A"}, "record_id": "801A", "event_id": "one"} | fields
    made = change("salesforce", "Order", told.pop("record_id"), told.pop("data"), owner_id="001A")
    return msgspec.structs.replace(made, **told)


ODD = {
    "nul": one(data={"BillingStreet": "1 Main\x00Street"}),
    "nul-in-a-name": one(data={"Billing\x00Street": "x"}),
    "nul-in-the-id": one(record_id="80\x001A"),
    "surrogate": one(data={"Subject": "ok \ud83d"}),
    "surrogate-in-the-id": one(record_id="801\ud83d"),
    "surrogate-in-the-owner": one(owner_id="\ud83d"),
    "version-beyond-64-bits": one(version=2**70),
    "event-id-beyond-an-index": one(event_id=random.Random(7).randbytes(6_000).hex()),
    "too-deep-for-the-encoder": one(data={"x": deep(5_000)}),
    "too-deep-for-postgres": one(data={"x": deep(900)}),
    "no-json": one(data={"x": object()}),
    "a-number-beyond-numeric": one(data={"x": msgspec.Raw(b"1e200000")}),
    "an-instant-without-a-zone-beyond-the-calendar": one(occurred_at="yesterday"),
}


async def wake(pairs: object) -> None:
    return None


async def stored(pool: asyncpg.Pool) -> set[str]:
    rows = await pool.fetch("SELECT record_id FROM ingest.inbox WHERE object <> 'unstorable'")
    return {row["record_id"] for row in rows}


async def letters(pool: asyncpg.Pool) -> list[dead_letters.DeadLetter]:
    return [each for each in await dead_letters.listed(pool) if each.object == isolation.UNSTORABLE]


def healthy(count: int) -> list[Change]:
    return [one(record_id=f"801B{number:03}", event_id=f"healthy-{number}") for number in range(count)]


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
async def test_one_change_that_cannot_be_stored_costs_nothing_but_itself(pool: asyncpg.Pool, odd: Change) -> None:
    others = healthy(9)
    submission = await Inbox(pool, wake).submit([*others[:4], odd, *others[4:]])
    assert submission is not None
    found = await stored(pool)
    assert {each.record_id for each in others} <= found
    kept = await letters(pool)
    if odd.record_id in found and odd is ODD["too-deep-for-postgres"]:
        assert kept == []  # not on every build of Postgres
        return
    (letter,) = kept
    assert (letter.source, letter.kind, letter.resolution) == ("salesforce", "hint", None)
    assert letter.error


async def test_the_dead_letter_has_every_byte_and_names_its_record(pool: asyncpg.Pool) -> None:
    odd = one(data={"Name": "Kenji \ud83d", "City": "Osa\x00ka"})
    await Inbox(pool, wake).submit([odd])
    (hidden,) = await letters(pool)
    assert (hidden.data["object"], hidden.data["id"]) == ("Order", "801A")
    assert "Kenji" not in json.dumps(msgspec.to_builtins(hidden))
    shown = await dead_letters.one(pool, hidden.id, ME, reveal=True)
    raw = json.loads(base64.b64decode(shown.data["payload"]))
    assert raw["data"] == odd.data
    assert (raw["event_id"], raw["owner_id"]) == ("one", "001A")


async def test_nothing_personal_stands_in_the_error_of_a_letter(pool: asyncpg.Pool) -> None:
    await Inbox(pool, wake).submit([one(data={"Name": "Kenji \ud83d"}), one(version=2**70, event_id="two")])
    assert "Kenji" not in " ".join(each.error + each.stack for each in await letters(pool))


async def test_many_odd_ones_among_many_are_all_named(pool: asyncpg.Pool) -> None:
    odd = [one(record_id=f"801C{n:03}", event_id=f"odd-{n}", data={"x": "\x00"}) for n in range(7)]
    mixed = [each for pair in zip(healthy(7), odd, strict=True) for each in pair]
    await Inbox(pool, wake).submit(mixed)
    assert len(await letters(pool)) == 7
    assert await stored(pool) == {each.record_id for each in healthy(7)}


async def test_the_same_odd_change_again_is_one_letter(pool: asyncpg.Pool) -> None:
    for _ in range(2):
        await Inbox(pool, wake).submit([ODD["nul"]])
    assert len(await letters(pool)) == 1


async def test_what_is_all_well_is_one_statement_and_no_savepoint(pool: asyncpg.Pool) -> None:
    said: list[str] = []
    async with pool.acquire() as connection:
        with connection.query_logger(lambda record: said.append(record.query)):
            await inbox.storing(lambda: inbox.on(connection), lambda on, append: append(on, healthy(50)))
    assert not [each for each in said if "SAVEPOINT" in each.upper()]
    assert len([each for each in said if "INSERT INTO ingest.inbox" in each]) == 1


async def test_an_outage_is_still_an_outage_and_nobody_is_blamed(resources: Resources) -> None:
    async with resources.pool.acquire() as connection:
        connection.terminate()
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await inbox.storing(lambda: inbox.on(connection), lambda on, append: append(on, [ODD["nul"]]))
    assert await letters(resources.pool) == []


async def test_the_position_of_a_stream_advances_over_an_event_that_cannot_be_stored(resources: Resources) -> None:
    listener = Listener(resources.pool, resources.inbox, None, "/data/X", None)  # type: ignore[arg-type]
    batch = Batch([*healthy(3), ODD["nul"], ODD["surrogate"]], b"\x07" * 10, datetime.now(UTC))
    await listener.record(batch)
    assert await resources.pool.fetchval("SELECT replay_id FROM ingest.checkpoints") == b"\x07" * 10
    assert len(await stored(resources.pool)) == 3
    assert len(await letters(resources.pool)) == 2


async def test_a_page_of_a_backfill_ends_where_it_ends(pool: asyncpg.Pool) -> None:
    page = [*healthy(600), ODD["nul"]]
    await Backfill(pool, Inbox(pool, wake))._record(page, "backfill:x", {"cursor": "801Z"})
    assert await pool.fetchval("SELECT state FROM ingest.progress") == {"cursor": "801Z"}
    assert len(await stored(pool)) == 600
    assert len(await letters(pool)) == 1


async def test_a_webhook_whose_id_cannot_be_stored_is_taken_in_all_the_same(pool: asyncpg.Pool) -> None:
    hints = [
        msgspec.structs.replace(each, kind="hint", data={}) for each in (healthy(1)[0], ODD["event-id-beyond-an-index"])
    ]
    await webhooks._record(Inbox(pool, wake), InboxAdmission(pool, 1000), hints, b"{}", again=True)
    assert await stored(pool) == {"801B000"}
    assert len(await letters(pool)) == 2  # the hint, and the later look that it asked for


async def test_a_parked_change_names_its_account(pool: asyncpg.Pool, account: UUID) -> None:
    owner = await pool.fetchval("SELECT salesforce_account_id FROM portal.id_mappings WHERE account_id = $1", account)
    await Inbox(pool, wake).submit([one(owner_id=owner, data={"x": "\x00"})])
    assert [each.account_id for each in await dead_letters.parked_accounts(pool)] == [account]


async def test_a_letter_can_be_discarded(pool: asyncpg.Pool) -> None:
    await Inbox(pool, wake).submit([ODD["nul"]])
    (letter,) = await letters(pool)
    assert (await resolve.discard(pool, wake, [letter.id], ME, "nonsense")).ids == [letter.id]
    assert await letters(pool) == []
    assert await pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL") == 0


async def test_a_healthy_later_change_of_the_record_is_not_held_up(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    odd = change("whmcs", "invoice", "77", {**INVOICE, "notes": "\x00"}, owner_id="1001")
    await Inbox(pool, wake).submit([odd])
    await feed([change("whmcs", "invoice", "77", INVOICE, at=2000, owner_id="1001")])
    assert await pool.fetchval("SELECT status FROM read_model.invoices WHERE invoice_id = '77'") == "unpaid"


async def test_what_an_erased_customer_said_is_not_kept_in_a_letter(pool: asyncpg.Pool, account: UUID) -> None:
    await pool.execute(
        "INSERT INTO portal.erasures (account_id, user_id, email_hash) VALUES ($1, gen_random_uuid(), '')", account
    )
    await pool.execute(
        "INSERT INTO portal.erased_owners (source, owner_id, account_id) VALUES ('salesforce', '001A', $1)", account
    )
    await Inbox(pool, wake).submit([ODD["nul"]])
    assert await pool.fetchval("SELECT data ->> 'payload' FROM ingest.inbox WHERE object = 'unstorable'") == ""


def test_a_letter_is_made_of_whatever_it_is() -> None:
    circle: dict[str, Any] = {}
    circle["itself"] = circle
    for data in (circle, {("no", "name"): 1}, {"x": deep(50_000)}, {"at": NOW + timedelta(days=1)}):
        letter = isolation.letter_of(one(data=data), ValueError("x"))
        assert letter.data["payload"]
        msgspec.json.encode(letter.data)
