"""Signed webhooks: only a signature with a configured secret, within five minutes, is believed."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook

from app.errors import NotAuthenticated
from app.integrations.signed_webhook import instant, key_of, secrets_of, verify

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
        (headers("v1,\ud83d"), BODY),
    ],
    ids=[
        "body",
        "id",
        "secret",
        "bare",
        "version",
        "empty",
        "none",
        "no-id",
        "stamp",
        "no-headers",
        "unicode",
        "surrogate",
    ],
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


WHSEC = "whsec_" + base64.b64encode(b"a key of thirty-two random bytes").decode()


def by_the_library(secret, body=BODY):
    return Webhook(secret).sign("w1", NOW, body.decode())


@pytest.mark.parametrize("secret", [WHSEC, WHSEC.rstrip("=")])
def test_what_the_reference_library_signs_is_believed(secret):
    assert verify(headers(by_the_library(WHSEC)), BODY, [secret], NOW) == "w1"


def test_the_text_of_a_prefixed_secret_still_signs():
    assert verify(headers(signature(WHSEC)), BODY, [WHSEC], NOW) == "w1"


def test_a_prefixed_secret_that_is_no_base64_is_its_own_key():
    secret = "whsec_sandbox_0123456789abcdef"
    assert verify(headers(signature(secret)), BODY, [secret], NOW) == "w1"
    assert key_of(secret) == secret.encode()
    assert key_of("whsec_abcd_efgh") == b"whsec_abcd_efgh", "what is no base64 is not dropped from a key"


def test_several_secrets_are_a_setting():
    assert secrets_of(" new , old,, ") == ["new", "old"]


@pytest.mark.parametrize("webhook_id", ["w", "w" * 200])
def test_an_id_may_be_short_or_long(webhook_id):
    assert verify(headers(signature(webhook_id=webhook_id), webhook_id), BODY, ["s1"], NOW) == webhook_id


@pytest.mark.parametrize("now", [NOW, datetime(6000, 1, 1, tzinfo=UTC)])
@pytest.mark.parametrize("offset", [-300, 0, 300])
def test_within_five_minutes_it_is_believed_in_any_year(now, offset):
    stamp = str(int(now.timestamp()) + offset)
    assert verify(headers(signature(stamp=stamp), stamp=stamp), BODY, ["s1"], now) == "w1"


@pytest.mark.parametrize("key", ["", "whsec_"])
def test_a_prefix_without_a_key_lets_nobody_sign(key):
    with pytest.raises(NotAuthenticated):
        verify(headers(signature(key)), BODY, ["whsec_"], NOW)


@pytest.mark.parametrize(
    "stamp",
    ["9" * 400, "9" * 5_000, "", "-1", "+1769947200", "1769947200.0", "1e9", "１７６９９４７２００", "١٧٦٩٩٤٧٢٠٠", "²"],
)
def test_a_timestamp_that_is_no_epoch_second_is_expired(stamp):
    signed = f"w1.{stamp}.".encode(errors="replace") + BODY
    mac = "v1," + base64.b64encode(hmac.digest(b"s1", signed, hashlib.sha256)).decode()
    with pytest.raises(NotAuthenticated) as refused:
        verify(headers(mac) | {"webhook-timestamp": stamp}, BODY, ["s1"], NOW)
    assert refused.value.code == "webhook_expired"


@pytest.mark.parametrize("webhook_id", ["w" * 201, "w\x00", "w\ud83d", "wé", "w\n"])
def test_an_id_that_cannot_be_one_is_forged(webhook_id):
    stamp = str(int(NOW.timestamp()))
    signed = f"{webhook_id}.{stamp}.".encode(errors="replace") + BODY
    mac = "v1," + base64.b64encode(hmac.digest(b"s1", signed, hashlib.sha256)).decode()
    with pytest.raises(NotAuthenticated) as refused:
        verify(headers(mac, webhook_id), BODY, ["s1"], NOW)
    assert refused.value.code == "webhook_forged"


def test_an_instant_is_milliseconds_and_universal_time() -> None:
    at = datetime(2026, 2, 1, 9, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=9)))
    assert instant(at) == (1_769_904_000_250, datetime(2026, 2, 1, 0, 0, 0, 250_000, tzinfo=UTC))
