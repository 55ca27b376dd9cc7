"""One Subscribe stream: credit, position, keepalives.

The stream sleeps until the bus, its client or a deadline wakes it; nothing polls.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import grpc

from eventbus import pubsub_api_pb2 as pb
from sandbox.salesforce.bus.bus import Bus, Event, TopicLog, counter_of, replay_id
from sandbox.salesforce.bus.event_faults import delivered
from sandbox.salesforce.bus.wire_errors import BusError
from sandbox.salesforce.ports import SalesforceWorld

MOST_CREDIT = 100
FIRST_KEEPALIVE_SECONDS = 0.2


@dataclass(frozen=True)
class Pace:
    """The timing of a stream in seconds. The vendor's own values are 270 (60 observed) and 60."""

    keepalive_seconds: float = 5.0
    zero_credit_seconds: float = 60.0


class Stream:
    """The server's side of one subscription."""

    def __init__(self, world: SalesforceWorld, pace: Pace, requests: AsyncIterator[pb.FetchRequest]) -> None:
        self.world = world
        self.pace = pace
        self.requests = requests
        self.bus: Bus = world.salesforce.bus
        self.aborts = self.bus.aborts
        self.credit = 0
        self.topic = ""
        self.position = 0
        self.error: BusError | None = None
        self.half_closed = False
        self.woken = asyncio.Event()

    async def responses(self) -> AsyncGenerator[pb.FetchResponse, None]:
        """Yield what the client receives, until it hangs up or the stream fails.

        Raises:
            BusError: the reason to end the stream with.
        """
        await self._open()
        reader = asyncio.create_task(self._read())
        self.bus.listeners.add(self.woken.set)
        try:
            async with contextlib.aclosing(self._deliver()) as delivered:
                async for response in delivered:
                    yield response
        finally:
            self.bus.listeners.discard(self.woken.set)
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    async def _open(self) -> None:
        """Take the first request: topic, position, credit."""
        first = await anext(self.requests, None)
        if first is None or not first.topic_name:
            raise BusError("topic.validation.empty")
        if first.topic_name not in self.bus.topics:
            raise BusError("topic.not.found")
        self.topic = first.topic_name
        self.position = start_of(self.bus.topics[self.topic], first)
        self._add_credit(first)

    def _add_credit(self, request: pb.FetchRequest) -> None:
        if request.num_requested <= 0:
            raise BusError("subscription.fetch.requested.events.invalid")
        if request.topic_name and request.topic_name != self.topic:
            raise BusError("subscription.fetch.topic.mismatch")
        self.credit = min(MOST_CREDIT, self.credit + request.num_requested)

    async def _read(self) -> None:
        """Follow the client's further requests."""
        try:
            async for request in self.requests:
                self._add_credit(request)
                self.woken.set()
            self.half_closed = True
        except BusError as error:
            self.error = error
        except (grpc.RpcError, asyncio.InvalidStateError):
            self.half_closed = True
        self.woken.set()

    async def _deliver(self) -> AsyncGenerator[pb.FetchResponse, None]:
        answered, quiet = time.monotonic(), FIRST_KEEPALIVE_SECONDS
        while not self.half_closed:
            self.woken.clear()
            self._check()
            silent = self.bus.silent_until - time.monotonic()
            if silent > 0:
                await self._sleep(silent)
                continue
            events = self.bus.topics[self.topic].after(self.position, self.credit) if self.credit else []
            if not events:
                limit = quiet if self.credit else self.pace.zero_credit_seconds
                if await self._sleep(answered + limit - time.monotonic()):
                    continue
                if not self.credit:
                    raise BusError("subscription.internal.error", grpc.StatusCode.UNAVAILABLE)
                quiet = self.pace.keepalive_seconds
            yield self._response(events)
            answered = time.monotonic()

    def _check(self) -> None:
        if self.error is not None:
            raise self.error
        if self.aborts != self.bus.aborts:
            raise BusError(self.bus.abort_code)
        if self.world.salesforce.bus is not self.bus:
            raise BusError("service.unavailable", grpc.StatusCode.UNAVAILABLE)

    async def _sleep(self, seconds: float) -> bool:
        """Wait to be woken; false when nothing did in time."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self.woken.wait()
        except TimeoutError:
            return False
        return True

    def _response(self, events: list[tuple[int, Event]]) -> pb.FetchResponse:
        response = pb.FetchResponse(rpc_id=str(uuid.uuid4()))
        for counter, event in events:
            for each in delivered(self.world, self.topic, event):
                envelope = pb.ProducerEvent(id=each.id, schema_id=each.schema_id, payload=each.payload)
                response.events.append(pb.ConsumerEvent(event=envelope, replay_id=replay_id(counter)))
            self.position = counter
        self.credit -= len(events)
        response.latest_replay_id = replay_id(self.position)
        response.pending_num_requested = self.credit
        return response


def start_of(log: TopicLog, request: pb.FetchRequest) -> int:
    """Return the position that delivery starts behind.

    Raises:
        BusError: for CUSTOM without a replay id, or with one that is unknown or expired.
    """
    if request.replay_preset == pb.LATEST:
        return log.tip
    if request.replay_preset == pb.EARLIEST:
        return log.floor
    if not request.replay_id:
        raise BusError("subscription.fetch.replayid.validation.failed")
    counter = counter_of(request.replay_id)
    if counter is None or not log.knows(counter):
        raise BusError("subscription.fetch.replayid.corrupted")
    return counter
