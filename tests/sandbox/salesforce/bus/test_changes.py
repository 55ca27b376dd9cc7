"""Changes on the bus: change events with their bitmaps, gaps, schemas, platform events."""

import io
import json
from typing import Any

import fastavro

from eventbus import methods
from eventbus import pubsub_api_pb2 as pb
from sandbox.salesforce.bus.avro import event_schema
from sandbox.salesforce.schema.objects import EVENTS
from tests.fixtures.salesforce_stand_in import PRICEBOOK_ID, account_id, schema_json

ELIGIBILITY = "/event/Account_Eligibility_Update__e"


async def decode(salesforce, channel, consumed: pb.ConsumerEvent) -> dict[str, Any]:
    """Return the record, with its bitmaps spelled out as field names, as a consumer has to."""
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


async def test_a_create_arrives_whole_and_names_its_origin(salesforce, channel, rest, open_stream):
    stream = await open_stream().settled()
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
    stream = await open_stream().settled()
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
    stream = await open_stream().settled()
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


async def test_deleting_and_restoring_an_order_takes_its_items_along(salesforce, channel, rest, open_stream, staff):
    order = {"AccountId": account_id(1), "EffectiveDate": "2026-02-01", "Status": "Pending Review"}
    made = (await rest.post("/sobjects/Order", json=order | {"Pricebook2Id": PRICEBOOK_ID})).json()["id"]
    entry = salesforce.entry("INTERNET-GOLD-HOME-1G")
    await rest.post("/sobjects/OrderItem", json={"OrderId": made, "PricebookEntryId": entry, "Quantity": 1})
    stream = await open_stream().settled()
    await rest.delete(f"/sobjects/Order/{made}")
    await staff.post(f"/orders/{made}/undelete")
    records = [await decode(salesforce, channel, event) for event in await stream.events(4)]
    kinds = sorted(
        (each["ChangeEventHeader"]["entityName"], each["ChangeEventHeader"]["changeType"]) for each in records
    )
    assert kinds == [("Order", "DELETE"), ("Order", "UNDELETE"), ("OrderItem", "DELETE"), ("OrderItem", "UNDELETE")]
    assert (await rest.get(f"/sobjects/Order/{made}")).json()["TotalAmount"] == 5600.0


async def test_a_gap_names_the_ids_and_nothing_else(salesforce, channel, open_stream, staff):
    stream = await open_stream().settled()
    await staff.post("/cdc", json={"kind": "gap", "object": "Account", "id": account_id(1)})
    await staff.post("/cdc", json={"kind": "overflow", "object": "Order"})
    records = [await decode(salesforce, channel, event) for event in await stream.events(2)]
    headers = [record["ChangeEventHeader"] for record in records]
    assert [each["changeType"] for each in headers] == ["GAP_UPDATE", "GAP_OVERFLOW"]
    assert [each["recordIds"] for each in headers] == [[account_id(1)], ["000000000000000AAA"]]
    assert records[0]["Name"] is None


async def test_a_new_field_gives_a_new_schema_and_old_events_keep_theirs(salesforce, channel, rest, open_stream, staff):
    stream = await open_stream().settled()
    await rest.post("/sobjects/Account", json={"Name": "Before"})
    bump = {"kind": "schema_bump", "object": "Account", "field": "Nickname__c"}
    await staff.post("/cdc", json=bump)
    await rest.post("/sobjects/Account", json={"Name": "After", "Nickname__c": "N"})
    before, after = await stream.events(2)
    assert before.event.schema_id != after.event.schema_id
    assert len(after.event.schema_id) == 22
    assert "Nickname__c" not in await decode(salesforce, channel, before)
    assert (await decode(salesforce, channel, after))["Nickname__c"] == "N"


async def test_changed_eligibility_is_announced_on_the_platform_event(salesforce, channel, open_stream, staff):
    stream = await open_stream(topic_name=ELIGIBILITY).settled()
    change = {"Internet_Eligibility__c": "Home 1G", "Internet_Eligibility_Status__c": "Eligible"}
    answer = await staff.patch(f"/Account/{account_id(5)}", json=change)
    record = await decode(salesforce, channel, (await stream.events(1))[0])
    assert answer.json()["Internet_Eligibility__c"] == "Home 1G"
    assert (record["Account_Id__c"], record["Internet_Eligibility__c"]) == (account_id(5), "Home 1G")


async def test_platform_events_are_published_by_rest_and_by_grpc(salesforce, channel, rest, open_stream):
    name = "Account_Eligibility_Update__e"
    stream = await open_stream(topic_name=ELIGIBILITY).settled()
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
