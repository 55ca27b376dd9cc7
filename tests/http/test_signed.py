"""Opaque tokens: only ours, and only for what they were made for."""

import pytest

from app.errors import InvalidRequest
from app.http.signed import seal, unseal

SECRET = "s" * 32


def test_a_token_gives_its_value_back() -> None:
    assert unseal(SECRET, "cursor:orders:a", seal(SECRET, "cursor:orders:a", "801A"), "cursor") == "801A"


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
        unseal(SECRET, "cursor:orders:a", seal("t" * 32, "cursor:orders:a", "801A"), "cursor")
