"""Decoding the webhook of a pushing org."""

import json

import pytest

from app.errors import InvalidRequest
from app.integrations.salesforce.events.webhook import decode

ORDER = "801000000000001AAA"


def notice(**fields):
    body = {"event": "updated", "object": "Order", "id": ORDER, "occurred_at": "2026-02-01T12:00:00Z"}
    return json.dumps(body | fields).encode()


def test_a_webhook_is_a_hint_to_read_again():
    (change,) = decode("w1", notice())
    assert (change.source, change.object, change.record_id) == ("salesforce", "Order", ORDER)
    assert (change.kind, change.origin, change.event_id) == ("hint", "webhook", "webhook:w1")


def test_an_object_that_is_not_mirrored_yields_nothing():
    assert decode("w1", notice(object="Task")) == []


@pytest.mark.parametrize("body", [b"", b"[]", notice(id="801' OR Id != '"), notice(id="1"), notice(occurred_at="now")])
def test_a_body_that_is_not_as_agreed_is_malformed(body):
    with pytest.raises(InvalidRequest) as refused:
        decode("w1", body)
    assert refused.value.code == "webhook_malformed"


def test_a_byte_order_mark_and_text_that_cannot_be_stored_are_tolerated():
    (change,) = decode("w1", b"\xef\xbb\xbf" + notice(event="\x00\ud83d"))
    assert change.record_id == ORDER


@pytest.mark.parametrize(
    "body",
    [
        notice(id=ORDER + "\n"),
        notice(id="8" * 5_000),
        notice(occurred_at="9999-12-31T23:59:59-14:00"),
        notice(occurred_at="0001-01-01T00:00:00+14:00"),
        b"[" * 100_000,
        b"null",
        b"\xff",
    ],
)
def test_a_body_beyond_all_bounds_is_malformed(body):
    with pytest.raises(InvalidRequest) as refused:
        decode("w1", body)
    assert refused.value.code == "webhook_malformed"
