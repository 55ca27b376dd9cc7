"""Opaque tokens: only ours, and only for what they were made for."""

import base64
import string

import pytest

from app.errors import InvalidRequest
from app.http.answering.signed_tokens import seal, unseal
from app.keyring import Keyring

SECRET = Keyring("s" * 32)


def test_a_token_gives_its_value_back() -> None:
    assert unseal(SECRET, "cursor:orders:a", seal(SECRET, "cursor:orders:a", "801A"), "cursor") == "801A"


def test_values_of_every_length_and_ending_come_back_whole() -> None:
    for number, last in enumerate(string.printable * 4):
        value = "8" * (number % 12) + last
        assert unseal(SECRET, "cursor:orders:a", seal(SECRET, "cursor:orders:a", value), "cursor") == value


def test_a_token_that_was_handed_out_stays_valid_in_later_releases() -> None:
    assert unseal(SECRET, "cursor:orders:a", "gaP3R8x6ekSOUgeqMhcK7zgwMUE", "cursor") == "801A"


def test_a_token_needs_no_quoting_in_an_address() -> None:
    assert set(seal(SECRET, "cursor:orders:a", "?>" * 40)) <= set(string.ascii_letters + string.digits + "-_")


@pytest.mark.parametrize("purpose", ["cursor:orders:b", "cursor:invoices:a", "consistency:a"])
def test_a_token_is_refused_for_another_account_list_or_use(purpose: str) -> None:
    token = seal(SECRET, "cursor:orders:a", "801A")
    with pytest.raises(InvalidRequest) as caught:
        unseal(SECRET, purpose, token, "cursor")
    assert caught.value.errors[0].code == "token_invalid"


@pytest.mark.parametrize("token", ["", "%%%", "AAAA", "é", "A" * 200])
def test_a_made_up_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequest):
        unseal(SECRET, "cursor:orders:a", token, "cursor")


def test_a_token_of_another_installation_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        unseal(SECRET, "cursor:orders:a", seal(Keyring("t" * 32), "cursor:orders:a", "801A"), "cursor")


def test_a_token_bears_128_bits_of_its_signature_and_no_fewer_are_believed() -> None:
    raw = base64.urlsafe_b64decode(seal(SECRET, "cursor:orders:a", "801A") + "=")
    assert len(raw) == 16 + len("801A")
    mac = SECRET.mac(b"cursor:orders:a\x00801A")
    for size in (0, 1, 12, 15, 17, 32):
        cut = base64.urlsafe_b64encode(mac[:size] + b"801A").decode().rstrip("=")
        with pytest.raises(InvalidRequest):
            unseal(SECRET, "cursor:orders:a", cut, "cursor")
