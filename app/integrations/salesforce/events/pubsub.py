"""The Pub/Sub API over gRPC: one topic's events as batches of changes, with the replay position each batch covers.

Flow control: the client requests 100 events, and more as they are consumed; fewer, after an answer that was too large.
Keepalives arrive as empty batches.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
from msgspec import Struct

from app.errors import (
    PortalError,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRejected,
    UpstreamUnavailable,
)
from app.events import Change
from app.integrations.salesforce import faults
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.salesforce.events.changes import changes_of
from app.integrations.salesforce.events.schemas import SCHEMA, Schemas
from app.integrations.salesforce.faults import ReplayRejected
from app.integrations.salesforce.token import AccessToken
from app.integrations.tls import trusted_pem
from app.settings import Settings
from eventbus import methods
from eventbus import pubsub_api_pb2 as pb

CREDIT = 100
LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
"""Limit of one answer: a hundred events of the largest size, with room. gRPC's 4 MB fit fewer than 70."""
SCHEMA_PATIENCE_SECONDS = 300
"""A schema that is unavailable for this long, while the stream works, counts as refused."""
UNARY_TIMEOUT_SECONDS = 20
EVENT = "event"
UNREADABLE = frozenset({EVENT, SCHEMA})
"""Operations whose refusal concerns one event. Others, such as the token's, must not make events look broken."""
OPTIONS = [
    ("grpc.max_receive_message_length", LARGEST_ANSWER_BYTES),
    # A server with gRPC's default policy allows a ping each 300 s, and ends a connection that pings more often
    # (`too_many_pings`). It counts pings with no data in between, so that gRPC's own bound on those is left as it is:
    # a dead stream is detected by missing keepalive events.
    ("grpc.keepalive_time_ms", 330_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
]

__all__ = ["Batch", "PubSubClient", "ReplayRejected", "Undecodable"]


class Undecodable(Struct, frozen=True):
    """An event that could not be read: kept as it is for an operator."""

    replay_id: bytes
    schema_id: str
    payload: bytes
    error: str


class Batch(Struct, frozen=True):
    """The content of one response. Without changes and undecodable events it is a keepalive."""

    changes: list[Change]
    latest_replay_id: bytes
    received_at: datetime
    undecodable: list[Undecodable] = []


class PubSubClient:
    """A channel to the event bus."""

    def __init__(self, settings: Settings, salesforce: SalesforceClient) -> None:
        self._salesforce = salesforce
        self._token: AccessToken | None = None
        target = settings.salesforce_pubsub
        if settings.salesforce_pubsub_tls:
            credentials = grpc.ssl_channel_credentials(trusted_pem(settings))
            self._channel = grpc.aio.secure_channel(target, credentials, OPTIONS)
        else:
            self._channel = grpc.aio.insecure_channel(target, OPTIONS)
        self._schemas = Schemas(self._fetch_schema)
        self._credit: dict[str, int] = {}
        self._schema_refused_at: dict[str, float] = {}

    @classmethod
    async def open(cls, settings: Settings, salesforce: SalesforceClient) -> "PubSubClient":
        """Create a client; nothing is called yet."""
        return cls(settings, salesforce)

    async def close(self) -> None:
        """End every stream of the channel."""
        await self._channel.close()

    async def subscribe(self, topic: str, replay_id: bytes | None, *, earliest: bool = False) -> AsyncIterator[Batch]:
        """Stream everything after `replay_id`; without one, from the tip or from the oldest retained event.

        Raises:
            ReplayRejected: the position is unknown or too old. Never send it again.
            UpstreamRejected: the topic is unknown, which only configuration can change.
            UpstreamAuthFailed, UpstreamBusy, UpstreamUnavailable: reopen later. A stream never just ends.
        """
        operation = f"subscribe:{topic}"
        credit = self._credit.setdefault(topic, CREDIT)
        requests: asyncio.Queue[pb.FetchRequest] = asyncio.Queue()
        requests.put_nowait(_first_request(topic, replay_id, earliest, credit))
        method = methods.SUBSCRIBE
        open_stream = self._channel.stream_stream(method.path, method.serialize_request, method.parse_response)
        metadata = await self._metadata()
        call = None
        try:
            call = open_stream(_drain(requests), metadata=metadata)
            response: Any
            async for response in call:
                if response is None:  # which is what gRPC makes of bytes that are no message
                    self._fewer(topic)
                    raise UpstreamMalformed(faults.SALESFORCE, operation, "no message of the bus")
                yield await self._batch(response)
                credit = self._grown(topic, len(response.events))
                pending = response.pending_num_requested
                if pending <= credit // 2:
                    requests.put_nowait(pb.FetchRequest(topic_name=topic, num_requested=credit - pending))
        except grpc.RpcError as error:
            self._shrink(topic, error)
            self._schema_refused_at.clear()
            raise await self._translated(error, operation) from error
        except PortalError:
            raise
        except Exception as error:  # whatever unsendable metadata or malformed bytes raise
            raise UpstreamMalformed(faults.SALESFORCE, operation, repr(error)) from error
        finally:
            if call is not None:
                call.cancel()
        raise UpstreamUnavailable(faults.SALESFORCE, operation, "the server ended the stream")

    def _shrink(self, topic: str, error: grpc.RpcError) -> None:
        """Request fewer events at a time after an answer that was too large to receive."""
        if getattr(error, "code", lambda: None)() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            self._fewer(topic)

    def _fewer(self, topic: str) -> None:
        self._credit[topic] = max(1, self._credit.get(topic, CREDIT) // 2)

    def _grown(self, topic: str, events: int) -> int:
        """Return to the full credit, a tenth more with each answer that had events."""
        credit = self._credit[topic]
        if events and credit < CREDIT:
            credit = self._credit[topic] = min(CREDIT, credit + max(1, credit // 10))
        return credit

    async def may_subscribe(self, topic: str) -> bool:
        """Return true if the topic exists and this user may subscribe to it.

        Raises:
            UpstreamRejected: there is no such topic.
        """
        request = pb.TopicRequest(topic_name=topic)
        answer = await self._ask(methods.GET_TOPIC, request, f"topic:{topic}")
        return bool(answer.can_subscribe)

    async def _ask(self, method: Any, request: Any, operation: str) -> Any:
        metadata = await self._metadata()
        try:
            call = self._channel.unary_unary(method.path, method.serialize_request, method.parse_response)
            answer = await call(request, metadata=metadata, timeout=UNARY_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            raise await self._translated(error, operation) from error
        except Exception as error:
            raise UpstreamMalformed(faults.SALESFORCE, operation, repr(error)) from error
        if answer is None:  # which is what gRPC makes of bytes that are no message
            raise UpstreamMalformed(faults.SALESFORCE, operation, "no message of the bus")
        return answer

    async def _batch(self, response: Any) -> Batch:
        received_at = datetime.now(UTC)
        if self._token is not None:
            self._salesforce.token_worked(self._token)
        changes: list[Change] = []
        broken: list[Undecodable] = []
        for item in response.events:
            try:
                changes += await self._changes(item.event, received_at)
            except (UpstreamMalformed, UpstreamRejected) as error:
                if error.operation not in UNREADABLE:
                    raise
                event = item.event
                broken.append(Undecodable(item.replay_id, event.schema_id, event.payload, error.reason))
        return Batch(changes, response.latest_replay_id, received_at, broken)

    async def _changes(self, event: Any, received_at: datetime) -> list[Change]:
        """Decode one event; a schema that is temporarily unavailable ends the stream instead of losing it."""
        known = await self._schemas.get(event.schema_id)
        try:
            return changes_of(event.id, known.resolved, known.decode(event.payload), received_at)
        except Exception as error:  # whatever the bytes raise: one event must not stop the others
            raise UpstreamMalformed(faults.SALESFORCE, EVENT, repr(error)) from error

    async def _fetch_schema(self, schema_id: str) -> str:
        """Fetch a schema.

        A refusal concerns one event. A schema that is only unavailable ends the stream, which returns to it, until it
        has been unavailable for long while everything else works.
        """
        try:
            answer = await self._ask(methods.GET_SCHEMA, pb.SchemaRequest(schema_id=schema_id), SCHEMA)
        except (UpstreamMalformed, UpstreamRejected):
            raise
        except UpstreamError as error:
            if error.operation != SCHEMA:  # the token's trouble
                raise
            since = self._schema_refused_at.setdefault(schema_id, time.monotonic())
            if time.monotonic() - since < SCHEMA_PATIENCE_SECONDS:
                raise
            raise UpstreamRejected(
                faults.SALESFORCE, SCHEMA, f"for {SCHEMA_PATIENCE_SECONDS} s: {error.reason}"
            ) from error
        self._schema_refused_at.pop(schema_id, None)
        return str(answer.schema_json)

    async def _metadata(self) -> tuple[tuple[str, str], ...]:
        token = self._token = await self._salesforce.token()
        return (
            ("accesstoken", token.access_token),
            ("instanceurl", token.instance_url),
            ("tenantid", token.org_id),
        )

    async def _translated(self, error: grpc.RpcError, operation: str) -> UpstreamError:
        """Translate the error; a refused token is renewed, so that the next attempt uses a fresh one."""
        translated = faults.from_grpc(error, operation)
        if ".auth." in translated.vendor_code:
            self._salesforce.admission.credentials_refused(translated)
        if isinstance(translated, UpstreamAuthFailed):
            try:
                await self._salesforce.token(refused=self._token)
            except UpstreamError as failure:  # the next attempt renews it again
                return failure
        return translated


async def _drain(requests: "asyncio.Queue[pb.FetchRequest]") -> AsyncIterator[pb.FetchRequest]:
    """Yield requests; the request side must stay open for the life of the stream."""
    while True:
        yield await requests.get()


def _first_request(topic: str, replay_id: bytes | None, earliest: bool, credit: int) -> pb.FetchRequest:
    if replay_id is not None:
        preset = pb.ReplayPreset.CUSTOM
    else:
        preset = pb.ReplayPreset.EARLIEST if earliest else pb.ReplayPreset.LATEST
    return pb.FetchRequest(topic_name=topic, replay_preset=preset, replay_id=replay_id or b"", num_requested=credit)
