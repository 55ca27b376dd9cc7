"""Decoding a WHMCS webhook."""

import json

import pytest

from app.errors import InvalidRequest
from app.integrations.whmcs.webhook import EARLY, decode


def notice(**fields):
    body = {"event": "X", "object": "invoice", "id": "12", "client_id": "1001", "occurred_at": "2026-02-01T12:00:00Z"}
    return json.dumps(body | fields).encode()


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, ("invoice", "12")),
        ({"object": "service", "id": "7"}, ("service", "7")),
        ({"object": "service", "id": ""}, ("client_services", "1001")),
        ({"object": "client", "id": "1001"}, ("client", "1001")),
        ({"object": "pay_method", "id": ""}, ("pay_methods", "1001")),
        ({"object": "order", "id": "5"}, ("client_services", "1001")),
        ({"event": "AddonActivated", "object": "service", "id": "7"}, ("client_services", "1001")),
    ],
)
def test_a_webhook_is_a_hint_to_read_again(fields, names):
    (change,) = decode("w1", notice(**fields)).changes
    assert (change.object, change.record_id) == names
    assert (change.kind, change.owner_id, change.origin, change.data) == ("hint", "1001", "webhook", {})


def test_a_request_to_cancel_has_the_service_read_and_the_list_of_requests():
    changes = decode("w1", notice(event="CancellationRequest", object="service", id="7")).changes
    assert [(each.object, each.record_id) for each in changes] == [("service", "7"), ("cancel_requests", "all")]
    assert len({each.event_id for each in changes}) == 2


def test_the_same_webhook_twice_is_one_event():
    assert decode("w1", notice()).changes[0].event_id == decode("w1", notice()).changes[0].event_id
    assert decode("w1", notice()).changes[0].event_id != decode("w2", notice()).changes[0].event_id


@pytest.mark.parametrize("event", sorted(EARLY))
def test_a_hook_that_runs_before_the_change_is_stored_says_so(event):
    assert decode("w1", notice(event=event)).early
    assert not decode("w1", notice(event="InvoicePaid")).early


def test_an_object_that_is_not_mirrored_yields_nothing():
    assert decode("w1", notice(object="ticket")).changes == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"not json",
        b"\xff",
        b'{"event": "x"}',
        notice(id=None),
        notice(occurred_at="yesterday"),
        notice(occurred_at="2026-02-01T12:00:00"),
    ],
)
def test_a_body_that_is_not_as_agreed_is_malformed(body):
    with pytest.raises(InvalidRequest) as refused:
        decode("w1", body)
    assert refused.value.code == "webhook_malformed"


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + notice(),
        b" \n" + notice() + b"\n",
        notice(event="Invoice\x00Paid"),
        notice(event="x\ud83d"),
        notice(id="007"),
        notice(id=" 7 "),
        notice(extra=[[1]] * 100),
        notice(occurred_at="0001-01-02T00:00:00Z"),
        notice(occurred_at="9999-12-30T00:00:00Z"),
    ],
)
def test_a_sloppily_written_body_is_taken(body):
    (change,) = decode("w1", body).changes
    assert change.record_id in ("12", "7")


@pytest.mark.parametrize(
    "body",
    [
        notice(id="9" * 5_000),
        notice(id="9" * 19),
        notice(id="７"),
        notice(id="-7"),
        notice(id="7 OR 1=1"),
        notice(client_id="9" * 5_000),
        notice(merged_into="x"),
        notice(event="e" * 101),
        notice(object="o" * 101),
        notice(occurred_at="0001-01-01T00:00:00+14:00"),
        notice(occurred_at="9999-12-31T23:59:59-14:00"),
        notice(occurred_at="99999-12-31T23:59:59Z"),
        notice(occurred_at=1e308),
        b'{"n":' + b"9" * 5_000 + b"}",
        b"[" * 100_000,
        b'{"event":' * 2_000,
        "ü".encode("utf-16"),
        b"null",
    ],
)
def test_a_body_beyond_all_bounds_is_malformed(body):
    with pytest.raises(InvalidRequest) as refused:
        decode("w1", body)
    assert refused.value.code == "webhook_malformed"


def test_what_is_not_mirrored_may_have_ids_of_any_kind():
    assert decode("w1", notice(object="ticket", id="ABC-123456")).changes == []
