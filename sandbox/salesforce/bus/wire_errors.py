"""Errors of the Pub/Sub API: a gRPC status, and the reason in the trailers."""

import uuid
from typing import Any, NoReturn

import grpc
import grpc.aio

PREFIX = "sfdc.platform.eventbus.grpc."

_STATUS = {
    "service.unavailable": grpc.StatusCode.INTERNAL,
    "service.auth.error": grpc.StatusCode.UNAUTHENTICATED,
    "service.auth.headers.invalid": grpc.StatusCode.UNAUTHENTICATED,
    "topic.not.found": grpc.StatusCode.NOT_FOUND,
    "subscription.limit.exceeded": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "subscription.topic.cannot.subscribe": grpc.StatusCode.PERMISSION_DENIED,
}
_TEXTS = {
    "service.unavailable": "The service is unavailable. Try again later.",
    "service.auth.error": "An authentication exception occurred.",
    "service.auth.headers.invalid": "Blank or malformed authentication headers.",
    "topic.not.found": "The topic could not be found or the entity is not enabled for change data capture.",
    "topic.validation.empty": "The topic name can't be blank.",
    "schema.validation.failed": "Schema validation failed. The schema ID can't be blank.",
    "subscription.fetch.replayid.corrupted": ("The Replay ID validation failed. Ensure that the Replay ID is valid."),
    "subscription.fetch.replayid.validation.failed": (
        "The Replay ID validation failed. Ensure that the Replay ID is valid."
    ),
    "subscription.fetch.requested.events.invalid": "The number of requested events must be greater than zero.",
    "subscription.fetch.topic.mismatch": "The topic can't change within a stream.",
    "subscription.limit.exceeded": "You have exceeded the event delivery limit for your org.",
    "publish.event.count.invalid": "The request holds no events.",
}


class BusError(Exception):
    """A refusal by its code without the vendor's prefix; `status` overrides the code's usual one."""

    def __init__(self, code: str, status: grpc.StatusCode | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status = status or _STATUS.get(code, grpc.StatusCode.INVALID_ARGUMENT)


async def refuse(context: "grpc.aio.ServicerContext[Any, Any]", rpc: str, error: BusError) -> NoReturn:
    """End the call with the error and the trailers `error-code`, `rpc-id` and `type`."""
    rpc_id = str(uuid.uuid4())
    trailers = (("error-code", PREFIX + error.code), ("rpc-id", rpc_id), ("type", rpc))
    text = _TEXTS.get(error.code, "The request could not be processed.")
    await context.abort(error.status, f"{text} rpcId: {rpc_id}", trailers)
