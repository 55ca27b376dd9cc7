"""The Pub/Sub API at the wire: what a REST write becomes on the bus, and how a stream behaves."""

import io
import json
from typing import Any

import fastavro
import grpc
import grpc.aio
import httpx
import pytest
import pytest_asyncio

from eventbus import methods
from eventbus import pubsub_api_pb2 as pb
from sandbox.salesforce.avro import event_schema
from sandbox.salesforce.schema import EVENTS
from tests.salesforce_stand import PRICEBOOK_ID, Subscriber, account_id, schema_json

CHANNEL = "/data/Portal__chn"
ELIGIBILITY = "/event/Account_Eligibility_Update__e"
DATA = "/services/data/v66.0"
PREFIX = "sfdc.platform.eventbus.grpc."


@pytest_asyncio.fixture
async def rest(salesforce):
    headers = {"Authorization": f"Bearer {salesforce.token()}", "Sforce-Call-Options": "client=portal"}
    async with httpx.AsyncClient(base_url=salesforce.http + DATA, headers=headers) as client:
        yield client


@pytest_asyncio.fixture
async def open_stream(salesforce, channel):
    opened = []

    def open_one(**first: Any) -> Subscriber:
        opened.append(Subscriber(channel, salesforce.metadata()))
        return opened[-1].ask(**{"topic_name": CHANNEL, "num_requested": 100} | first)

    yield open_one
    for stream in opened:
        await stream.close()


async def decode(salesforce, channel, consumed: pb.ConsumerEvent) -> dict[str, Any]:
    """The record, with its bitmaps spelled out as field names the way a consumer has to."""
    text = await schema_json(channel, salesforce.metadata(), consumed.event.schema_id)
    schema = json.loads(text)
    record = fastavro.schemaless_reader(io.BytesIO(consumed.event.payload), fastavro.parse_schema(schema), None)
    header = record.get("ChangeEventHeader", {})
    for bitmap in ("changedFields", "nulledFields"):
        header[bitmap] = {name for element in header.get(bitmap, []) for name in named(schema, element)}
    return record


def named(schema: dict[str, Any], element: str) -> list[str]:
    fields, prefix = schema["fields"], ""
    parent, dash, hexed = element.rpartition("-")
    if dash:
        outer = fields[int(parent)]
        definitions = [each["type"][1] for each in schema["fields"] if isinstance(each["type"], list)]
        fields = next(each for each in definitions if isinstance(each, dict))["fields"]
        prefix = outer["name"] + "."
    bits = int(hexed, 16)
    return [prefix + each["name"] for place, each in enumerate(fields) if bits >> place & 1]


async def settled(stream: Subscriber) -> Subscriber:
    """The stream after its first keepalive: from here on it hears everything."""
    while (await stream.next()).events:
        continue
    return stream


async def test_a_create_arrives_whole_and_names_its_origin(salesforce, channel, rest, open_stream):
    stream = await settled(open_stream())
    made = (await rest.post("/sobjects/Account", json={"Name": "Echo", "BillingStreet": "1-1"})).json()["id"]
    record = await decode(salesforce, channel, (await stream.events(1))[0])
    header = record["ChangeEventHeader"]
    assert (header["entityName"], header["recordIds"], header["changeType"]) == ("Account", [made], "CREATE")
    assert header["changeOrigin"] == "com/salesforce/api/rest/66.0;client=portal"
    assert (header["changedFields"], header["commitNumber"] > 2**53) == (set(), True)
    assert (record["Name"], record["BillingAddress"]["Street"]) == ("Echo", "1-1")
    assert "Id" not in record
    assert "SystemModstamp" not in record


async def test_an_update_carries_only_what_changed_and_says_which_fields_were_emptied(
    salesforce, channel, rest, open_stream
):
    body = {"Name": "Bits", "Phone": "1", "BillingStreet": "a", "BillingCity": "b"}
    made = (await rest.post("/sobjects/Account", json=body)).json()["id"]
    stream = await settled(open_stream())
    await rest.patch(f"/sobjects/Account/{made}", json={"Phone": None, "BillingCity": None, "BillingStreet": "c"})
    record = await decode(salesforce, channel, (await stream.events(1))[0])
    header = record["ChangeEventHeader"]
    wanted = {"Phone", "LastModifiedDate", "BillingAddress.Street", "BillingAddress.City"}
    assert header["changedFields"] == wanted
    assert header["nulledFields"] == {"Phone", "BillingAddress.City"}
    assert (record["Name"], record["BillingAddress"]["Street"], record["BillingAddress"]["State"]) == (None, "c", None)


async def test_items_of_one_request_share_a_transaction_and_update_the_orders_total(
    salesforce, channel, rest, open_stream
):
    order = {"AccountId": account_id(1), "EffectiveDate": "2026-02-01", "Status": "Pending Review"}
    made = (await rest.post("/sobjects/Order", json=order | {"Pricebook2Id": PRICEBOOK_ID})).json()["id"]
    stream = await settled(open_stream())
    entry = salesforce.entry("INTERNET-GOLD-HOME-1G")
    item = {"OrderId": made, "PricebookEntryId": entry, "Quantity": 1, "UnitPrice": 5600}
    await rest.post("/sobjects/OrderItem", json=item)
    records = [await decode(salesforce, channel, event) for event in await stream.events(2)]
    headers = [record["ChangeEventHeader"] for record in records]
    assert [(each["entityName"], each["changeType"]) for each in headers] == [
        ("OrderItem", "CREATE"),
        ("Order", "UPDATE"),
    ]
    assert len({each["transactionKey"] for each in headers}) == 1
    assert [each["sequenceNumber"] for each in headers] == [1, 2]
    assert records[1]["TotalAmount"] == 5600.0
    assert headers[1]["changedFields"] == {"TotalAmount", "LastModifiedDate"}


async def test_deleting_and_restoring_an_order_takes_its_items_along(salesforce, channel, rest, open_stream):
    order = {"AccountId": account_id(1), "EffectiveDate": "2026-02-01", "Status": "Pending Review"}
    made = (await rest.post("/sobjects/Order", json=order | {"Pricebook2Id": PRICEBOOK_ID})).json()["id"]
    entry = salesforce.entry("INTERNET-GOLD-HOME-1G")
    await rest.post("/sobjects/OrderItem", json={"OrderId": made, "PricebookEntryId": entry, "Quantity": 1})
    stream = await settled(open_stream())
    await rest.delete(f"/sobjects/Order/{made}")
    async with httpx.AsyncClient() as staff:
        await staff.post(f"{salesforce.control}/orders/{made}/undelete")
    records = [await decode(salesforce, channel, event) for event in await stream.events(4)]
    kinds = sorted(
        (each["ChangeEventHeader"]["entityName"], each["ChangeEventHeader"]["changeType"]) for each in records
    )
    assert kinds == [("Order", "DELETE"), ("Order", "UNDELETE"), ("OrderItem", "DELETE"), ("OrderItem", "UNDELETE")]
    assert (await rest.get(f"/sobjects/Order/{made}")).json()["TotalAmount"] == 5600.0


@pytest.mark.parametrize("length", [10, 8])
async def test_a_stream_resumes_behind_a_replay_id_of_ten_or_eight_bytes(salesforce, rest, open_stream, length):
    stream = await settled(open_stream())
    for name in ("First", "Second"):
        await rest.post("/sobjects/Account", json={"Name": name})
    first, second = await stream.events(2)
    resumed = open_stream(replay_preset=pb.CUSTOM, replay_id=first.replay_id[:length])
    assert (await resumed.events(1))[0].event.id == second.event.id
    assert len(first.replay_id) == 10


async def test_earliest_begins_at_the_oldest_retained_event(salesforce, rest, open_stream):
    await rest.post("/sobjects/Account", json={"Name": "Retained"})
    assert len(await open_stream(replay_preset=pb.EARLIEST).events(1)) >= 1


async def test_credit_bounds_what_is_delivered_and_a_further_ask_continues(salesforce, rest, open_stream):
    stream = await settled(open_stream(num_requested=2))
    for number in range(5):
        await rest.post("/sobjects/Account", json={"Name": f"Credit {number}"})
    delivered, pending = 0, 2
    while pending:
        response = await stream.next()
        delivered, pending = delivered + len(response.events), response.pending_num_requested
    assert delivered == 2
    stream.ask(num_requested=3)
    assert len(await stream.events(3)) == 3


async def test_an_idle_stream_sends_keepalives_with_a_position(open_stream):
    stream = open_stream(num_requested=7)
    keepalives = [await stream.next() for _ in range(2)]
    assert [len(each.events) for each in keepalives] == [0, 0]
    assert {(len(each.latest_replay_id), each.pending_num_requested) for each in keepalives} == {(10, 7)}


@pytest.mark.parametrize(
    ("first", "status", "code"),
    [
        ({"replay_preset": pb.CUSTOM, "replay_id": b"\0" * 9 + b"\1"}, "INVALID_ARGUMENT", "fetch.replayid.corrupted"),
        ({"replay_preset": pb.CUSTOM}, "INVALID_ARGUMENT", "fetch.replayid.validation.failed"),
        ({"num_requested": 0}, "INVALID_ARGUMENT", "fetch.requested.events.invalid"),
    ],
)
async def test_a_bad_first_request_ends_the_stream_with_its_code(open_stream, first, status, code):
    ended, trailers = await open_stream(**first).failure()
    assert (ended.name, trailers["error-code"]) == (status, f"{PREFIX}subscription.{code}")
    assert trailers["type"] == "Subscribe"
    assert trailers["rpc-id"]


async def test_an_entity_that_is_not_captured_has_no_topic(open_stream):
    ended, trailers = await open_stream(topic_name="/data/ContactChangeEvent").failure()
    assert (ended, trailers["error-code"]) == (grpc.StatusCode.NOT_FOUND, f"{PREFIX}topic.not.found")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"accesstoken": "00D!no"}, "service.auth.error"), ({"tenantid": ""}, "service.auth.headers.invalid")],
)
async def test_bad_metadata_is_refused_with_trailers(salesforce, channel, wrong, code):
    metadata = tuple((dict(salesforce.metadata()) | wrong).items())
    stream = Subscriber(channel, metadata).ask(topic_name=CHANNEL, num_requested=1)
    ended, trailers = await stream.failure()
    assert (ended, trailers["error-code"]) == (grpc.StatusCode.UNAUTHENTICATED, PREFIX + code)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await schema_json(channel, metadata, "x")
    assert dict(refused.value.trailing_metadata())["type"] == "GetSchema"


async def test_a_gap_tells_the_ids_and_nothing_else(salesforce, channel, open_stream):
    stream = await settled(open_stream())
    async with httpx.AsyncClient() as staff:
        await staff.post(f"{salesforce.control}/cdc", json={"kind": "gap", "object": "Account", "id": account_id(1)})
        await staff.post(f"{salesforce.control}/cdc", json={"kind": "overflow", "object": "Order"})
    records = [await decode(salesforce, channel, event) for event in await stream.events(2)]
    headers = [record["ChangeEventHeader"] for record in records]
    assert [each["changeType"] for each in headers] == ["GAP_UPDATE", "GAP_OVERFLOW"]
    assert [each["recordIds"] for each in headers] == [[account_id(1)], ["000000000000000AAA"]]
    assert records[0]["Name"] is None


async def test_a_duplicate_keeps_its_event_id_under_a_new_replay_id(salesforce, rest, open_stream):
    stream = await settled(open_stream())
    await rest.post("/sobjects/Account", json={"Name": "Twice"})
    async with httpx.AsyncClient() as staff:
        await staff.post(f"{salesforce.control}/cdc", json={"kind": "duplicate", "topic": CHANNEL})
    first, again = await stream.events(2)
    assert first.event.id == again.event.id
    assert first.replay_id < again.replay_id


async def test_expiring_ends_streams_and_every_old_replay_id(salesforce, rest, open_stream):
    stream = await settled(open_stream())
    await rest.post("/sobjects/Account", json={"Name": "Forgotten"})
    old = (await stream.events(1))[0].replay_id
    async with httpx.AsyncClient() as staff:
        await staff.post(f"{salesforce.control}/cdc", json={"kind": "expire_replay"})
    _, trailers = await stream.failure()
    assert trailers["error-code"] == f"{PREFIX}service.unavailable"
    _, trailers = await open_stream(replay_preset=pb.CUSTOM, replay_id=old).failure()
    assert trailers["error-code"] == f"{PREFIX}subscription.fetch.replayid.corrupted"


async def test_a_new_field_gives_a_new_schema_and_old_events_keep_theirs(salesforce, channel, rest, open_stream):
    stream = await settled(open_stream())
    await rest.post("/sobjects/Account", json={"Name": "Before"})
    async with httpx.AsyncClient() as staff:
        bump = {"kind": "schema_bump", "object": "Account", "field": "Nickname__c"}
        await staff.post(f"{salesforce.control}/cdc", json=bump)
    await rest.post("/sobjects/Account", json={"Name": "After", "Nickname__c": "N"})
    before, after = await stream.events(2)
    assert before.event.schema_id != after.event.schema_id
    assert len(after.event.schema_id) == 22
    assert "Nickname__c" not in await decode(salesforce, channel, before)
    assert (await decode(salesforce, channel, after))["Nickname__c"] == "N"


async def test_changed_eligibility_is_announced_on_the_platform_event(salesforce, channel, open_stream):
    stream = await settled(open_stream(topic_name=ELIGIBILITY))
    change = {"Internet_Eligibility__c": "Home 1G", "Internet_Eligibility_Status__c": "Eligible"}
    async with httpx.AsyncClient() as staff:
        answer = await staff.patch(f"{salesforce.control}/Account/{account_id(5)}", json=change)
    record = await decode(salesforce, channel, (await stream.events(1))[0])
    assert answer.json()["Internet_Eligibility__c"] == "Home 1G"
    assert (record["Account_Id__c"], record["Internet_Eligibility__c"]) == (account_id(5), "Home 1G")


async def test_platform_events_are_published_by_rest_and_by_grpc(salesforce, channel, rest, open_stream):
    name = "Account_Eligibility_Update__e"
    stream = await settled(open_stream(topic_name=ELIGIBILITY))
    answer = (await rest.post(f"/sobjects/{name}/", json={"Account_Id__c": account_id(1)})).json()
    payload = {"CreatedDate": 1, "CreatedById": "005", "Account_Id__c": account_id(2)}
    schema = event_schema(name, EVENTS[name])
    given = pb.ProducerEvent(id="mine", schema_id=schema.id, payload=schema.encode(payload))
    method = methods.PUBLISH
    publish = channel.unary_unary(method.path, method.serialize_request, method.parse_response)
    bad = pb.ProducerEvent(id="bad", schema_id="nope", payload=b"")
    published = await publish(
        pb.PublishRequest(topic_name=ELIGIBILITY, events=[given, bad]), metadata=salesforce.metadata()
    )
    first, second = await stream.events(2)
    assert answer["errors"][0] == {"statusCode": "OPERATION_ENQUEUED", "message": first.event.id, "fields": []}
    assert second.event.id == "mine"
    assert [each.correlation_key for each in published.results] == ["mine", "bad"]
    assert published.results[0].replay_id == second.replay_id
    assert published.results[1].error.code == pb.PUBLISH


async def test_get_topic_names_a_schema_for_single_entities_only(salesforce, channel):
    method = methods.GET_TOPIC
    ask = channel.unary_unary(method.path, method.serialize_request, method.parse_response)
    single = await ask(pb.TopicRequest(topic_name="/data/OrderChangeEvent"), metadata=salesforce.metadata())
    shared = await ask(pb.TopicRequest(topic_name=CHANNEL), metadata=salesforce.metadata())
    assert len(single.schema_id) == 22
    assert (shared.schema_id, shared.can_subscribe, shared.can_publish) == ("", True, False)


async def test_an_event_reaches_a_tls_subscriber_within_milliseconds_of_the_write(salesforce, rest):
    credentials = grpc.ssl_channel_credentials(salesforce.ca_file.read_bytes())
    async with grpc.aio.secure_channel(salesforce.tls, credentials) as channel:
        stream = await settled(Subscriber(channel, salesforce.metadata()).ask(topic_name=CHANNEL, num_requested=10))
        await rest.post("/sobjects/Account", json={"Name": "Quick"})
        event = (await stream.events(1, seconds=0.25))[0]
        await stream.close()
    assert event.event.payload
