"""Nothing that simple-salesforce, requests or gRPC can raise passes the wall untranslated."""

import grpc
import pytest
import requests
from simple_salesforce import exceptions as vendor
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError, ProtocolError

from app.errors import (
    OutcomeUnknown,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamUnavailable,
    UpstreamUnreached,
)
from app.integrations.salesforce.faults import ReplayRejected, from_grpc, from_rest


def descendants(kind):
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def made(kind):
    """Return an instance without calling its constructor, as an unknown subclass would arrive."""
    error = kind.__new__(kind)
    Exception.__init__(error, "something")
    return error


VENDOR = sorted({vendor.SalesforceError, *descendants(vendor.SalesforceError)}, key=lambda kind: kind.__name__)
TRANSPORT = sorted(set(descendants(requests.exceptions.RequestException)), key=lambda kind: kind.__name__)


def answered(status, code, message="no"):
    content = [{"errorCode": code, "message": message}] if code else "<html>"
    return vendor.SalesforceGeneralError("https://x", status, "Order", content)


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize("kind", [*VENDOR, *TRANSPORT, OSError, TimeoutError, KeyError, ValueError, RuntimeError])
def test_every_exception_class_becomes_one_of_ours(kind, write):
    assert isinstance(from_rest(made(kind), "op", write=write), UpstreamError)


def test_the_walk_over_the_classes_found_them():
    assert vendor.SalesforceExpiredSession in VENDOR
    assert requests.exceptions.ReadTimeout in TRANSPORT


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", UpstreamRejected),
        (400, "DUPLICATE_VALUE", UpstreamRejected),
        (400, "UNABLE_TO_LOCK_ROW", UpstreamBusy),
        (401, "INVALID_SESSION_ID", UpstreamAuthFailed),
        (403, "REQUEST_LIMIT_EXCEEDED", UpstreamBusy),
        (403, "API_CURRENTLY_DISABLED", UpstreamAuthFailed),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY", UpstreamAuthFailed),
        (404, "NOT_FOUND", UpstreamNotFound),
        (404, "ENTITY_IS_DELETED", UpstreamNotFound),
        (429, "", UpstreamBusy),
        (503, "SERVER_UNAVAILABLE", UpstreamUnavailable),
    ],
)
def test_an_answered_refusal_means_the_same_for_reads_and_writes(status, code, kind):
    for write in (True, False):
        error = from_rest(answered(status, code), "op", write=write)
        assert type(error) is kind
        assert error.vendor_code == code


@pytest.mark.parametrize(("status", "kind"), [(500, OutcomeUnknown), (502, OutcomeUnknown), (503, UpstreamUnavailable)])
def test_a_gateways_html_behind_a_write_leaves_the_outcome_open_unless_it_was_not_taken_in(status, kind):
    assert type(from_rest(answered(status, ""), "op", write=True)) is kind
    assert type(from_rest(answered(status, ""), "op", write=False)) is UpstreamUnavailable


def connection(reason):
    return requests.exceptions.ConnectionError(MaxRetryError(None, "/x", reason))


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ConnectTimeout("slow"),
        connection(NewConnectionError(None, "refused")),
        connection(NameResolutionError("host", None, OSError("unknown"))),
        requests.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED]"),
    ],
    ids=["connect-timeout", "refused", "no-such-host", "certificate"],
)
def test_a_write_that_never_left_may_be_repeated(error):
    assert type(from_rest(error, "op", write=True)) is UpstreamUnreached


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ReadTimeout("slow"),
        requests.exceptions.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError())),
        requests.exceptions.ChunkedEncodingError("cut"),
        requests.exceptions.SSLError("EOF occurred in violation of protocol"),
    ],
    ids=["read-timeout", "reset", "cut", "tls-eof"],
)
def test_a_write_that_was_sent_and_not_answered_has_an_unknown_outcome(error):
    assert type(from_rest(error, "op", write=True)) is OutcomeUnknown
    assert type(from_rest(error, "op", write=False)) is UpstreamUnavailable


def test_a_success_that_cannot_be_read_leaves_a_write_open():
    error = requests.exceptions.JSONDecodeError("no", "<html>", 0)
    assert type(from_rest(error, "op", write=True)) is OutcomeUnknown
    assert type(from_rest(error, "op", write=False)) is UpstreamMalformed


def bus(code="", status=grpc.StatusCode.INTERNAL, details="details"):
    trailers = grpc.aio.Metadata(("error-code", f"sfdc.platform.eventbus.grpc.{code}")) if code else grpc.aio.Metadata()
    return grpc.aio.AioRpcError(status, grpc.aio.Metadata(), trailers, details)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("subscription.fetch.replayid.corrupted", ReplayRejected),
        ("subscription.fetch.replayid.validation.failed", ReplayRejected),
        ("service.auth.error", UpstreamAuthFailed),
        ("service.auth.headers.invalid", UpstreamAuthFailed),
        ("topic.meta.permission", UpstreamAuthFailed),
        ("subscription.topic.cannot.subscribe", UpstreamAuthFailed),
        ("service.tenant.license", UpstreamAuthFailed),
        ("subscription.limit.exceeded", UpstreamBusy),
        ("concurrent.client.limit.exceeded", UpstreamBusy),
        ("service.protection.stream.limit.triggered", UpstreamBusy),
        ("topic.not.found", UpstreamRejected),
        ("schema.validation.failed", UpstreamRejected),
        ("subscription.fetch.requested.events.invalid", UpstreamRejected),
        ("service.unavailable", UpstreamUnavailable),
        ("topic.api.unavailable", UpstreamUnavailable),
        ("schema.api.unavailable", UpstreamUnavailable),
        ("subscription.fetch.replay.repeated", UpstreamUnavailable),
        ("subscription.internal.error", UpstreamUnavailable),
    ],
)
def test_the_trailer_decides_what_an_ended_stream_means(code, kind):
    assert type(from_grpc(bus(code), "subscribe")) is kind


def test_without_trailers_status_and_text_decide():
    assert type(from_grpc(bus(status=grpc.StatusCode.UNAUTHENTICATED), "s")) is UpstreamAuthFailed
    assert type(from_grpc(bus(details="The Replay ID validation failed. Ensure that"), "s")) is ReplayRejected
    assert type(from_grpc(bus(status=grpc.StatusCode.UNAVAILABLE), "s")) is UpstreamUnavailable
    assert type(from_grpc(grpc.RpcError(), "s")) is UpstreamUnavailable
