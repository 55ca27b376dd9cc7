"""Faults of events on the bus: swallowed, spoilt, too large."""

import json

import pytest

from eventbus import pubsub_api_pb2 as pb
from tests.fixtures.salesforce_stand_in import account_id
from tests.sandbox.salesforce.bus.test_changes import decode

CHANNEL = "/data/Portal__chn"


async def told(salesforce, channel, stream, count):
    records = [await decode(salesforce, channel, event) for event in await stream.events(count)]
    return [
        (each["ChangeEventHeader"]["changeType"], each["ChangeEventHeader"]["recordIds"][0], each.get("Phone"))
        for each in records
    ]


@pytest.fixture(autouse=True)
async def silent(staff):
    """Nobody has a phone at first, so that each change below is one."""
    for number in range(11, 25):
        await staff.patch(f"/Account/{account_id(number)}", json={"Phone": None})


async def call_all(staff, *numbers):
    for number in numbers:
        (await staff.patch(f"/Account/{account_id(number)}", json={"Phone": str(number)})).raise_for_status()


async def test_the_next_events_become_gaps_that_name_their_records(salesforce, channel, open_stream, staff):
    stream = await open_stream().settled()
    await staff.post("/cdc", json={"kind": "gap", "object": "Account", "swallow": 2})
    await call_all(staff, 11, 12, 13)
    gaps = [("GAP_UPDATE", account_id(number), None) for number in (11, 12)]
    assert await told(salesforce, channel, stream, 3) == [*gaps, ("UPDATE", account_id(13), "13")]


async def test_an_overflow_swallows_events_and_names_nobody(salesforce, channel, open_stream, staff):
    stream = await open_stream().settled()
    await staff.post("/cdc", json={"kind": "overflow", "object": "Account", "swallow": 2})
    await call_all(staff, 14, 15, 16)
    kinds = [kind for kind, _, _ in await told(salesforce, channel, stream, 3)]
    assert kinds == ["GAP_OVERFLOW", "GAP_OVERFLOW", "UPDATE"]


async def test_events_are_swallowed_without_a_word(salesforce, channel, open_stream, staff):
    stream = await open_stream().settled()
    await staff.post("/cdc", json={"kind": "swallow", "object": "Account", "count": 2})
    await call_all(staff, 17, 18, 19)
    assert await told(salesforce, channel, stream, 1) == [("UPDATE", account_id(19), "19")]
    assert (await staff.get(f"/Account/{account_id(17)}")).json()["Phone"] == "17"


@pytest.mark.parametrize("how", ["truncated", "bytes", "text", "schema"])
async def test_a_spoilt_event_cannot_be_read(salesforce, channel, open_stream, staff, how):
    stream = await open_stream().settled()
    await staff.post("/cdc", json={"kind": "spoil", "how": how, "object": "Account"})
    await call_all(staff, 20, 21)
    spoilt, sound = await stream.events(2)
    with pytest.raises(Exception, match=r".*"):
        await decode(salesforce, channel, spoilt)
    assert (await decode(salesforce, channel, sound))["Phone"] == "21"


@pytest.mark.parametrize(
    ("kind", "count"),
    [("undecodable_event", 2), ("gap_event", 2), ("duplicate_event", 3), ("drop_event", 1)],
)
async def test_a_fault_meets_one_delivery_and_the_bus_keeps_the_event(
    salesforce, channel, open_stream, staff, kind, count
):
    stream = await open_stream().settled()
    salesforce.world.script(CHANNEL, kind)
    await call_all(staff, 22, 23)
    events = await stream.events(count)
    assert (await decode(salesforce, channel, events[-1]))["Phone"] == "23"
    assert salesforce.world.faults.spoilt[-1] == {
        "kind": kind,
        "object": "Account",
        "record_ids": [account_id(22)],
    }
    again = open_stream(replay_preset=pb.CUSTOM, replay_id=events[-1].replay_id)
    await call_all(staff, 24)
    assert (await decode(salesforce, channel, (await again.events(1))[0]))["Phone"] == "24"


async def test_texts_that_no_form_lets_pass_can_be_planted(salesforce, channel, rest, open_stream, staff):
    stream = await open_stream().settled()
    odd = {"BillingStreet": "1\x00-2", "Description": "あ" * 40_000}
    body = json.dumps(odd)
    (await staff.put(f"/Account/{account_id(25)}/raw", content=body)).raise_for_status()
    record = await decode(salesforce, channel, (await stream.events(1))[0])
    assert (record["BillingAddress"]["Street"], len(record["Description"])) == ("1\x00-2", 40_000)
    shown = (await rest.get(f"/sobjects/Account/{account_id(25)}", params={"fields": "BillingStreet"})).text
    assert "1\\u0000-2" in shown


async def test_a_lone_surrogate_is_sent_as_an_escape_and_as_bytes_that_are_no_text(
    salesforce, channel, rest, open_stream, staff
):
    stream = await open_stream().settled()
    await staff.put(f"/Account/{account_id(26)}/raw", content=r'{"Name": "ok \ud83d"}')
    event = (await stream.events(1))[0]
    assert b"ok \xed\xa0\xbd" in event.event.payload
    with pytest.raises(UnicodeDecodeError):
        await decode(salesforce, channel, event)
    answer = await rest.get(f"/sobjects/Account/{account_id(26)}", params={"fields": "Name"})
    assert b'"ok \\ud83d"' in answer.content


async def test_seventy_large_events_come_in_one_answer(salesforce, channel, open_stream, staff):
    for number in range(1, 51):
        body = {"Description": chr(0x3042) * 30_000}
        (await staff.patch(f"/Account/{account_id(number)}", json=body)).raise_for_status()
    size = sum(len(each.payload) for each in salesforce.org.bus.topics[CHANNEL].events[-50:])
    assert size > 4_194_304


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "gap", "swallow": 0, "object": "Order"},
        {"kind": "swallow", "count": "x"},
        {"kind": "spoil", "how": "gently"},
        {"kind": "swallow", "object": "Contact"},
    ],
)
async def test_what_cannot_be_swallowed_or_spoilt_is_refused(staff, body):
    assert (await staff.post("/cdc", json=body)).status_code == 400
