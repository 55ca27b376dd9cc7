"""Ids as the vendor computes them."""

import pytest

from sandbox.salesforce.org.ids import checksum, full_id, make_id


@pytest.mark.parametrize(
    ("id15", "expected"), [("0015f00002J9YYE", "AA3"), ("006SM0000001Tb3", "YAE"), ("0055f000005mc66", "AAA")]
)
def test_the_checksum_equals_that_of_ids_from_real_orgs(id15, expected):
    assert checksum(id15) == expected


def test_fifteen_characters_grow_to_eighteen_and_a_wrong_checksum_is_no_id():
    known = make_id("001", 62**4 + 41)
    assert full_id(known[:15]) == full_id(known) == known
    assert full_id(known[:15] + "ZZZ") is None
    assert full_id("too short") is None
