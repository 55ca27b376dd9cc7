"""Behaviour of a Pub/Sub stream: credit, positions, keepalives, refusals."""

import pickle

import grpc
import grpc.aio
import httpx
import pytest

from eventbus import methods
from eventbus import pubsub_api_pb2 as pb
from sandbox.salesforce.bus.pubsub_stream import Pace
from tests.fixtures.salesforce_stand_in import Subscriber, account_id, schema_json, stand_in

CHANNEL = "/data/Portal__chn"
PREFIX = "sfdc.platform.eventbus.grpc."


@pytest.mark.parametrize("length", [10, 8])
async def test_a_stream_resumes_behind_a_replay_id_of_ten_or_eight_bytes(salesforce, rest, open_stream, length):
    stream = await open_stream().settled()
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
    stream = await open_stream(num_requested=2).settled()
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


async def test_a_duplicate_keeps_its_event_id_under_a_new_replay_id(salesforce, rest, open_stream, staff):
    stream = await open_stream().settled()
    await rest.post("/sobjects/Account", json={"Name": "Twice"})
    await staff.post("/cdc", json={"kind": "duplicate", "topic": CHANNEL})
    first, again = await stream.events(2)
    assert first.event.id == again.event.id
    assert first.replay_id < again.replay_id


async def test_expiring_ends_streams_and_every_old_replay_id(salesforce, rest, open_stream, staff):
    stream = await open_stream().settled()
    await rest.post("/sobjects/Account", json={"Name": "Forgotten"})
    old = (await stream.events(1))[0].replay_id
    await staff.post("/cdc", json={"kind": "expire_replay"})
    _, trailers = await stream.failure()
    assert trailers["error-code"] == f"{PREFIX}service.unavailable"
    _, trailers = await open_stream(replay_preset=pb.CUSTOM, replay_id=old).failure()
    assert trailers["error-code"] == f"{PREFIX}subscription.fetch.replayid.corrupted"


async def test_get_topic_names_a_schema_for_single_entities_only(salesforce, channel):
    method = methods.GET_TOPIC
    ask = channel.unary_unary(method.path, method.serialize_request, method.parse_response)
    single = await ask(pb.TopicRequest(topic_name="/data/OrderChangeEvent"), metadata=salesforce.metadata())
    shared = await ask(pb.TopicRequest(topic_name=CHANNEL), metadata=salesforce.metadata())
    assert len(single.schema_id) == 22
    assert (shared.schema_id, shared.can_subscribe, shared.can_publish) == ("", True, False)


async def test_an_event_reaches_a_tls_subscriber(salesforce, rest):
    credentials = grpc.ssl_channel_credentials(salesforce.ca_file.read_bytes())
    async with grpc.aio.secure_channel(salesforce.tls, credentials) as channel:
        opened = Subscriber(channel, salesforce.metadata()).ask(topic_name=CHANNEL, num_requested=10)
        stream = await opened.settled()
        await rest.post("/sobjects/Account", json={"Name": "Quick"})
        event = (await stream.events(1))[0]
        await stream.close()
    assert event.event.payload


async def test_a_reset_ends_streams_and_makes_their_positions_unknown(salesforce, rest, open_stream):
    stream = await open_stream().settled()
    await rest.post("/sobjects/Account", json={"Name": "Before the reset"})
    old_position, old_org = (await stream.events(1))[0].replay_id, salesforce.org
    salesforce.world.salesforce = pickle.loads(pickle.dumps(old_org))  # noqa: S301
    salesforce.org.take_over(old_org)
    _, trailers = await stream.failure()
    assert trailers["error-code"] == f"{PREFIX}service.unavailable"
    _, trailers = await open_stream(replay_preset=pb.CUSTOM, replay_id=old_position).failure()
    assert trailers["error-code"] == f"{PREFIX}subscription.fetch.replayid.corrupted"
    fresh = await open_stream().settled()
    assert (await rest.post("/sobjects/Account", json={"Name": "After the reset"})).status_code == 201
    assert len(await fresh.events(1)) == 1


async def test_a_disconnect_ends_streams_with_the_code_asked_for(open_stream, staff):
    stream = await open_stream().settled()
    await staff.post("/cdc", json={"kind": "disconnect", "code": "subscription.limit.exceeded"})
    ended, trailers = await stream.failure()
    assert (ended.name, trailers["error-code"]) == ("RESOURCE_EXHAUSTED", f"{PREFIX}subscription.limit.exceeded")


async def test_a_silent_stream_carries_nothing_and_then_everything(rest, open_stream, staff):
    stream = await open_stream().settled()
    await staff.post("/cdc", json={"kind": "silence", "seconds": 0.7})
    await rest.post("/sobjects/Account", json={"Name": "Late"})
    with pytest.raises(TimeoutError):
        await stream.next(seconds=0.4)


async def test_a_stream_without_credit_is_ended_after_a_while(tmp_path):
    async with (
        stand_in(tmp_path, Pace(keepalive_seconds=0.1, zero_credit_seconds=0.2)) as hasty,
        grpc.aio.insecure_channel(hasty.plain) as channel,
        httpx.AsyncClient(base_url=hasty.control) as staff,
    ):
        stream = await Subscriber(channel, hasty.metadata()).ask(topic_name=CHANNEL, num_requested=1).settled()
        await staff.patch(f"/Account/{account_id(1)}", json={"Phone": "0"})
        assert (await stream.events(1))[0].event.payload
        ended, _ = await stream.failure()
        await stream.close()
    assert ended is grpc.StatusCode.UNAVAILABLE
