"""The org's Pub/Sub API: the gRPC service over the event bus."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from eventbus import methods
from eventbus import pubsub_api_pb2 as pb
from sandbox.faults.gate import HANG_SECONDS
from sandbox.salesforce.bus.bus import Event, replay_id
from sandbox.salesforce.bus.pubsub_stream import Pace, Stream
from sandbox.salesforce.bus.wire_errors import BusError, refuse
from sandbox.salesforce.org.ids import full_id
from sandbox.salesforce.org.org import ORG_ID
from sandbox.salesforce.org.sessions import session_of
from sandbox.salesforce.ports import SalesforceWorld, now_ms
from sandbox.salesforce.rest.gate import UPSTREAM
from sandbox.salesforce.schema.objects import CAPTURED, EVENTS, entity_topic, event_topic

Context = grpc.aio.ServicerContext[Any, Any]


class PubSub:
    """The service: GetTopic, GetSchema, Subscribe, Publish and PublishStream for the current org."""

    def __init__(self, world: SalesforceWorld, pace: Pace | None = None) -> None:
        self.world = world
        self.pace = pace or Pace()

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serve on a gRPC server, plain or TLS."""
        unary = (
            (methods.GET_TOPIC, self.get_topic),
            (methods.GET_SCHEMA, self.get_schema),
            (methods.PUBLISH, self.publish),
        )
        streams = ((methods.SUBSCRIBE, self.subscribe), (methods.PUBLISH_STREAM, self.publish_stream))
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        for method, answer in unary:
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(
                answer, method.parse_request, method.serialize_response
            )
        for method, stream in streams:
            handlers[method.name] = grpc.stream_stream_rpc_method_handler(
                stream, method.parse_request, method.serialize_response
            )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(methods.SERVICE, handlers),))

    async def get_topic(self, request: pb.TopicRequest, context: Context) -> pb.TopicInfo:
        """Describe a topic. Channels of several entities name no schema."""
        await self._admit(context, "GetTopic", request.topic_name)
        if request.topic_name not in self.world.salesforce.bus.topics:
            code = "topic.not.found" if request.topic_name else "topic.validation.empty"
            await refuse(context, "GetTopic", BusError(code))
        return pb.TopicInfo(
            topic_name=request.topic_name,
            tenant_guid=ORG_ID,
            can_publish=request.topic_name.startswith("/event/"),
            can_subscribe=True,
            schema_id=self._schema_of(request.topic_name),
            rpc_id=str(uuid.uuid4()),
        )

    def _schema_of(self, topic: str) -> str:
        named = {entity_topic(name): name for name in CAPTURED} | {event_topic(name): name for name in EVENTS}
        return self.world.salesforce.schemas[named[topic]].id if topic in named else ""

    async def get_schema(self, request: pb.SchemaRequest, context: Context) -> pb.SchemaInfo:
        """Return a schema by its id. A schema never changes."""
        await self._admit(context, "GetSchema", request.schema_id)
        schema = self.world.salesforce.bus.schemas.get(request.schema_id)
        if schema is None:
            await refuse(context, "GetSchema", BusError("schema.validation.failed"))
        return pb.SchemaInfo(schema_json=schema.json, schema_id=schema.id, rpc_id=str(uuid.uuid4()))

    async def subscribe(
        self, requests: AsyncIterator[pb.FetchRequest], context: Context
    ) -> AsyncIterator[pb.FetchResponse]:
        """Events of one topic, as far as the client's credit reaches."""
        await self._admit(context, "Subscribe")
        try:
            async with contextlib.aclosing(Stream(self.world, self.pace, requests).responses()) as responses:
                async for response in responses:
                    yield response
        except BusError as error:
            await refuse(context, "Subscribe", error)

    async def publish(self, request: pb.PublishRequest, context: Context) -> pb.PublishResponse:
        """Put platform events on their topic."""
        await self._admit(context, "Publish", request.topic_name)
        try:
            return self._publish(request, request.topic_name)
        except BusError as error:
            await refuse(context, "Publish", error)

    async def publish_stream(
        self, requests: AsyncIterator[pb.PublishRequest], context: Context
    ) -> AsyncIterator[pb.PublishResponse]:
        """Publish the events of each request on one stream."""
        await self._admit(context, "PublishStream")
        topic = ""
        try:
            async for request in requests:
                topic = topic or request.topic_name
                if request.topic_name not in ("", topic):
                    raise BusError("publish.topic.mismatch")
                yield self._publish(request, topic)
        except BusError as error:
            await refuse(context, "PublishStream", error)

    def _publish(self, request: pb.PublishRequest, topic: str) -> pb.PublishResponse:
        org = self.world.salesforce
        if not topic.startswith("/event/") or topic not in org.bus.topics:
            raise BusError("topic.not.found" if topic else "publish.topic.validation.empty")
        if not request.events:
            raise BusError("publish.event.count.invalid")
        results = [self._publish_one(topic, event) for event in request.events]
        org.revision += 1
        org.bus.wake()
        return pb.PublishResponse(results=results, schema_id=self._schema_of(topic), rpc_id=str(uuid.uuid4()))

    def _publish_one(self, topic: str, given: pb.ProducerEvent) -> pb.PublishResult:
        org = self.world.salesforce
        schema = org.bus.schemas.get(given.schema_id)
        try:
            if schema is None:
                raise ValueError("unknown schema id")
            schema.decode(given.payload)
        except Exception as error:
            problem = pb.Error(code=pb.PUBLISH, msg=f"The payload does not fit its schema: {error}")
            return pb.PublishResult(error=problem, correlation_key=given.id)
        event = Event(given.id or str(uuid.uuid4()), given.schema_id, given.payload, now_ms(self.world))
        return pb.PublishResult(replay_id=replay_id(org.bus.publish([topic], event)), correlation_key=given.id)

    async def _admit(self, context: Context, rpc: str, detail: str = "") -> None:
        """Log the call, apply scripted faults, and check the three metadata entries."""
        metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}
        self.world.calls.record(UPSTREAM, f"pubsub.{rpc}", user_agent=metadata.get("user-agent", ""), detail=detail)
        for fault in self.world.faults.take(UPSTREAM, f"pubsub.{rpc}"):
            if fault.kind == "latency":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "timeout":
                await asyncio.sleep(HANG_SECONDS)
            elif fault.kind == "down":
                await refuse(context, rpc, BusError("service.unavailable", grpc.StatusCode.UNAVAILABLE))
            elif fault.kind == "status":
                code = "service.auth.error" if fault.status == 401 else "service.unavailable"
                await refuse(context, rpc, BusError(code))
        tenant = full_id(metadata.get("tenantid", ""))
        if not metadata.get("instanceurl", "").startswith("http") or tenant is None:
            await refuse(context, rpc, BusError("service.auth.headers.invalid"))
        if (
            tenant != ORG_ID
            or session_of(self.world.salesforce, metadata.get("accesstoken", ""), now_ms(self.world)) is None
        ):
            await refuse(context, rpc, BusError("service.auth.error"))
