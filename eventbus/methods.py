"""Method paths and (de)serialisers of the Pub/Sub API, for a client channel and for a server.

The messages are generated from `pubsub_api.proto`; regenerate them at the root of the repository with

    python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. eventbus/pubsub_api.proto

Only plain messages are generated. The few calls are spelled here, so that no generated service code needs upkeep:

    method = methods.SUBSCRIBE
    call = channel.stream_stream(method.path, method.serialize_request, method.parse_response)
"""

from collections.abc import Callable
from typing import NamedTuple

from google.protobuf.message import Message

from eventbus import pubsub_api_pb2 as pb

SERVICE = "eventbus.v1.PubSub"


class Method(NamedTuple):
    """One rpc: its path, and how its two messages become bytes and come back."""

    name: str
    request: type[Message]
    response: type[Message]

    @property
    def path(self) -> str:
        """The HTTP/2 path, `/eventbus.v1.PubSub/<name>`."""
        return f"/{SERVICE}/{self.name}"

    @property
    def serialize_request(self) -> Callable[[Message], bytes]:
        """For a client."""
        return self.request.SerializeToString

    @property
    def parse_request(self) -> Callable[[bytes], Message]:
        """For a server."""
        return self.request.FromString

    @property
    def serialize_response(self) -> Callable[[Message], bytes]:
        """For a server."""
        return self.response.SerializeToString

    @property
    def parse_response(self) -> Callable[[bytes], Message]:
        """For a client."""
        return self.response.FromString


SUBSCRIBE = Method("Subscribe", pb.FetchRequest, pb.FetchResponse)  # both directions stream
GET_SCHEMA = Method("GetSchema", pb.SchemaRequest, pb.SchemaInfo)
GET_TOPIC = Method("GetTopic", pb.TopicRequest, pb.TopicInfo)
PUBLISH = Method("Publish", pb.PublishRequest, pb.PublishResponse)
PUBLISH_STREAM = Method("PublishStream", pb.PublishRequest, pb.PublishResponse)  # both directions stream
