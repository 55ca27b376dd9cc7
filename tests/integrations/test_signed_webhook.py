"""Who may say that something changed upstream: whoever signs it with a secret of ours, within five minutes."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from app.errors import NotAuthenticated
from app.integrations.signed_webhook import verify

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
BODY = b'{"event":"InvoicePaid"}'


def signature(key="s1", body=BODY, webhook_id="w1", stamp=None):
    stamp = stamp or str(int(NOW.timestamp()))
    digest = hmac.digest(key.encode(), f"{webhook_id}.{stamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def headers(signed, webhook_id="w1", stamp=None):
    stamp = stamp or str(int(NOW.timestamp()))
    return {"webhook-id": webhook_id, "webhook-timestamp": stamp, "webhook-signature": signed}


def test_a_signed_webhook_gives_its_id():
    assert verify(headers(signature()), BODY, ["s1"], NOW) == "w1"


def test_during_a_rotation_either_secret_and_any_of_several_signatures_will_do():
    assert verify(headers(signature("old")), BODY, ["new", "old"], NOW) == "w1"
    assert verify(headers(f"v1,AAAA {signature('new')}"), BODY, ["new"], NOW) == "w1"


@pytest.mark.parametrize(
    ("given", "body"),
    [
        (headers(signature()), BODY + b" "),
        (headers(signature(), webhook_id="w2"), BODY),
        (headers(signature("other")), BODY),
        (headers(signature().removeprefix("v1,")), BODY),
        (headers(signature().replace("v1,", "v2,")), BODY),
        (headers("v1,"), BODY),
        (headers(""), BODY),
        (headers(signature(webhook_id=""), webhook_id=""), BODY),
        (headers(signature(), stamp=str(int(NOW.timestamp()) + 1)), BODY),
        ({}, BODY),
        (headers("v1,ünïcode"), BODY),
    ],
    ids=["body", "id", "secret", "bare", "version", "empty", "none", "no-id", "stamp", "no-headers", "unicode"],
)
def test_whatever_was_not_signed_with_our_secret_is_forged(given, body):
    with pytest.raises(NotAuthenticated) as refused:
        verify(given, body, ["s1"], NOW)
    assert refused.value.code == "webhook_forged"


@pytest.mark.parametrize("secrets", [[], [""], ["", " "]])
def test_an_empty_secret_lets_nobody_sign(secrets):
    with pytest.raises(NotAuthenticated):
        verify(headers(signature("")), BODY, secrets, NOW)


@pytest.mark.parametrize("offset", [-301, 301])
def test_five_minutes_either_way_is_the_limit(offset):
    stamp = str(int(NOW.timestamp()) + offset)
    with pytest.raises(NotAuthenticated) as refused:
        verify(headers(signature(stamp=stamp), stamp=stamp), BODY, ["s1"], NOW)
    assert refused.value.code == "webhook_expired"
    near = str(int(NOW.timestamp()) + (abs(offset) - 2) * (1 if offset > 0 else -1))
    assert verify(headers(signature(stamp=near), stamp=near), BODY, ["s1"], NOW) == "w1"
