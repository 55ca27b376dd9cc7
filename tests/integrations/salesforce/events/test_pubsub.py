"""The event bus client, over TLS, against the stand-in."""

import asyncio
import contextlib

import pytest

from app.errors import UpstreamAuthFailed, UpstreamBusy, UpstreamError, UpstreamRejected, UpstreamUnavailable
from app.integrations.salesforce.faults import ReplayRejected
from app.integrations.salesforce.wire import FIELDS
from sandbox.salesforce.bus.bus import Event
from sandbox.salesforce.bus.platform_events import publish_event
from sandbox.salesforce.control.control import staff_work
from sandbox.salesforce.schema.objects import ELIGIBILITY_EVENT
from tests.fixtures.salesforce_stand_in import account_id

CHANNEL = "/data/Portal__chn"
ELIGIBILITY = "/event/Account_Eligibility_Update__e"


def staff(stand_in, name, record_id, **fields):
    """Change a record by hand in the org."""
    work = staff_work(stand_in.world)
    work.update(name, record_id, fields)
    work.commit()


class Follower:
    """Collects the batches of a subscription, without losing one to a timeout."""

    def __init__(self, bus, topic=CHANNEL, replay_id=None, **options):
        self.batches = []
        self.stream = bus.subscribe(topic, replay_id, **options)
        self.arrived = asyncio.Condition()
        self.task = asyncio.ensure_future(self._follow())

    async def _follow(self):
        async for batch in self.stream:
            self.batches.append(batch)
            async with self.arrived:
                self.arrived.notify_all()

    @property
    def changes(self):
        return [change for batch in self.batches for change in batch.changes]

    async def until(self, holds, seconds=5.0):
        async with asyncio.timeout(seconds), self.arrived:
            await self.arrived.wait_for(lambda: holds(self))

    async def failure(self, seconds=5.0):
        with pytest.raises(UpstreamError) as raised:
            await asyncio.wait_for(self.task, seconds)
        return raised.value


@contextlib.asynccontextmanager
async def following(bus, *args, **options):
    follower = Follower(bus, *args, **options)
    try:
        yield follower
    finally:
        follower.task.cancel()
        await asyncio.gather(follower.task, return_exceptions=True)


async def test_a_staff_change_arrives_and_a_quiet_stream_says_that_it_lives(bus, salesforce):
    async with following(bus) as feed:
        await feed.until(lambda feed: feed.batches)
        assert feed.batches[0].changes == []
        assert feed.batches[0].latest_replay_id
        staff(salesforce, "Account", account_id(3), Portal_Status__c="Active")
        await feed.until(lambda feed: feed.changes)
        (change,) = feed.changes
        assert (change.object, change.record_id, change.kind) == ("Account", account_id(3), "partial")
        assert (change.data["Portal_Status__c"], change.echo) == ("Active", False)
        assert set(change.data) <= set(FIELDS["Account"])


async def test_our_own_write_comes_back_as_an_echo(bus, client):
    async with following(bus) as feed:
        await feed.until(lambda feed: feed.batches)
        await client.update("Account", account_id(4), {"Portal_Status__c": "Active"})
        await feed.until(lambda feed: feed.changes)
        assert feed.changes[0].echo


async def test_a_stream_goes_on_strictly_after_the_position_it_was_given(bus, salesforce):
    async with following(bus) as feed:
        await feed.until(lambda feed: feed.batches)
        staff(salesforce, "Account", account_id(5), Portal_Status__c="Active")
        await feed.until(lambda feed: feed.changes)
        position = feed.batches[-1].latest_replay_id
    staff(salesforce, "Account", account_id(6), Portal_Status__c="Active")
    async with following(bus, CHANNEL, position) as feed:
        await feed.until(lambda feed: feed.changes)
        assert [change.record_id for change in feed.changes] == [account_id(6)]
    async with following(bus, earliest=True) as feed:
        await feed.until(lambda feed: {account_id(5), account_id(6)} <= {each.record_id for each in feed.changes})


async def test_far_more_events_than_the_credit_arrive_in_order(bus, salesforce):
    async with following(bus) as feed:
        await feed.until(lambda feed: feed.batches)
        for number in range(350):
            staff(salesforce, "Account", account_id(1 + number % 50), Name=f"Name {number}")
        await feed.until(lambda feed: len(feed.changes) >= 350, 20)
        assert [change.data["Name"] for change in feed.changes] == [f"Name {number}" for number in range(350)]


async def test_schemas_are_fetched_once_and_a_new_one_when_fields_are_added(bus, salesforce):
    def fetched():
        listed = salesforce.world.calls.listed("salesforce")["calls"]
        return sum(call["operation"] == "pubsub.GetSchema" for call in listed)

    async with following(bus) as feed:
        await feed.until(lambda feed: feed.batches)
        before = fetched()
        for number in range(5):
            staff(salesforce, "Account", account_id(8), Name=f"Again {number}")
        await feed.until(lambda feed: len(feed.changes) == 5)
        assert fetched() == before + 1
        salesforce.org.add_field(
            "Account", type(salesforce.org.objects["Account"].by_name["Name"])("Late__c", "string")
        )
        staff(salesforce, "Account", account_id(8), Name="After")
        await feed.until(lambda feed: len(feed.changes) == 6)
        assert feed.changes[-1].data["Name"] == "After"
        assert fetched() == before + 2


@pytest.mark.parametrize("broken", ["payload", "schema"])
async def test_an_event_that_cannot_be_read_is_set_aside_and_the_next_one_arrives(bus, salesforce, broken):
    async with following(bus) as feed:
        await feed.until(lambda feed: feed.batches)
        org = salesforce.org
        schema_id = org.schemas["Account"].id if broken == "payload" else "A" * 22
        event = Event("11111111-1111-1111-1111-111111111111", schema_id, b"\xff\xff\xff", 1_769_904_000_000)
        org.bus.publish([CHANNEL], event)
        org.bus.wake()
        staff(salesforce, "Account", account_id(10), Portal_Status__c="Active")
        await feed.until(lambda feed: feed.changes)
        (aside,) = [each for batch in feed.batches for each in batch.undecodable]
        assert (aside.schema_id, aside.payload) == (schema_id, b"\xff\xff\xff")
        assert aside.replay_id
        assert aside.error
        assert feed.changes[0].record_id == account_id(10)


async def test_a_schema_that_cannot_be_had_for_now_ends_the_stream_instead_of_losing_the_event(bus, salesforce):
    async with following(bus) as feed:
        await feed.until(lambda feed: feed.batches)
        salesforce.world.script("pubsub.GetSchema", "down")
        staff(salesforce, "Account", account_id(11), Portal_Status__c="Active")
        assert type(await feed.failure()) is UpstreamUnavailable
        assert feed.changes == []


@pytest.mark.parametrize("position", [b"\x00" * 6 + b"\xff\xff\xff\xff", b"garbage", b"\xff" * 10])
async def test_a_position_the_bus_does_not_know_is_rejected_by_name(bus, position):
    async with following(bus, CHANNEL, position) as feed:
        assert type(await feed.failure()) is ReplayRejected


async def test_an_unknown_topic_is_a_refusal_not_an_outage(bus):
    async with following(bus, "/data/Nothing__chn") as feed:
        error = await feed.failure()
        assert type(error) is UpstreamRejected
        assert error.vendor_code.endswith("topic.not.found")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("service.unavailable", UpstreamUnavailable),
        ("subscription.limit.exceeded", UpstreamBusy),
        ("service.auth.error", UpstreamAuthFailed),
    ],
)
async def test_a_stream_that_is_ended_says_why(bus, salesforce, code, kind):
    async with following(bus) as feed:
        await feed.until(lambda feed: feed.batches)
        salesforce.org.bus.abort_streams(code)
        assert type(await feed.failure()) is kind


async def test_after_an_expired_token_the_next_attempt_uses_a_fresh_one(bus, client, salesforce):
    await client.token()
    salesforce.org.sessions.clear()
    async with following(bus) as feed:
        assert type(await feed.failure()) is UpstreamAuthFailed
    async with following(bus) as feed:
        await feed.until(lambda feed: feed.batches)


async def test_a_bus_that_cannot_be_reached_is_unavailable(bus, salesforce):
    salesforce.world.script("pubsub.Subscribe", "down")
    async with following(bus) as feed:
        assert type(await feed.failure()) is UpstreamUnavailable


async def test_an_eligibility_event_is_a_hint_for_its_account(bus, salesforce):
    async with following(bus, ELIGIBILITY) as feed:
        await feed.until(lambda feed: feed.batches)
        named = {"Account_Id__c": account_id(12)}
        publish_event(salesforce.org, ELIGIBILITY_EVENT, named, now_ms=1_769_904_000_000, user_id="005")
        await feed.until(lambda feed: feed.changes)
        assert [(change.object, change.record_id, change.kind) for change in feed.changes] == [
            ("Account", account_id(12), "hint")
        ]


async def test_a_closed_channel_ends_its_streams(bus):
    async with following(bus) as feed:
        await feed.until(lambda feed: feed.batches)
        await bus.close()
        await asyncio.wait([feed.task], timeout=3)
        assert feed.task.done()
