"""Postal addresses: Japan in full, elsewhere what holds everywhere; every fault in one answer."""

import pytest
from msgspec.structs import replace

from app.commands.execution import postal_addresses
from app.errors import RuleViolated
from app.postal import PREFECTURES, Address

HOME = Address(address1="1-2-3 Nishi", address2="", city="Shinjuku", state="Tokyo", postcode="160-0022", country="JP")


@pytest.mark.parametrize("given", ["160-0022", "1600022", "１６０－００２２", "〒160-0022", " 160-0022 ", "160ー0022"])
def test_a_japanese_postal_code_is_taken_as_people_write_it(given: str) -> None:
    assert postal_addresses.checked(replace(HOME, postcode=given)).postcode == "160-0022"


@pytest.mark.parametrize(
    ("given", "usual"),
    [
        ("Tokyo", "Tokyo"),
        ("tokyo-to", "Tokyo"),
        ("Tōkyō", "Tokyo"),
        ("Kyoto", "Kyoto"),
        ("Kyoto-fu", "Kyoto"),
        ("AICHI PREFECTURE", "Aichi"),
        ("東京都", "東京都"),
        ("東京", "東京都"),
        ("北海道", "北海道"),
        ("Hokkaido", "Hokkaido"),
        ("京都", "京都府"),
    ],
)
def test_a_prefecture_gets_its_usual_name_in_the_script_it_came_in(given: str, usual: str) -> None:
    assert postal_addresses.checked(replace(HOME, state=given)).state == usual


def test_there_are_47_prefectures_and_each_is_known_by_every_name() -> None:
    assert len(PREFECTURES) == 47
    for kanji, romaji in PREFECTURES.items():
        assert postal_addresses.checked(replace(HOME, state=romaji.upper())).state == romaji
        assert postal_addresses.checked(replace(HOME, state=kanji)).state == kanji


def test_every_fault_is_named_at_once_with_its_field() -> None:
    wrong = replace(HOME, address1="  ", postcode="16-22", state="California")
    with pytest.raises(RuleViolated) as refused:
        postal_addresses.checked(wrong, within="address.")
    assert refused.value.code == "address_invalid"
    assert {(each.field, each.code) for each in refused.value.errors} == {
        ("address.address1", "field_empty"),
        ("address.postcode", "postcode_invalid"),
        ("address.state", "prefecture_unknown"),
    }


def test_elsewhere_a_postal_code_is_what_it_is() -> None:
    abroad = replace(HOME, postcode="SW1A 1AA", state="London", country="GB")
    assert postal_addresses.checked(abroad) == abroad
    with pytest.raises(RuleViolated) as refused:
        postal_addresses.checked(replace(abroad, country="XX"))
    assert [each.code for each in refused.value.errors] == ["country_unknown"]
