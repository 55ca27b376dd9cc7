"""Changes between versions are pure, total, and undo each other in order."""

from datetime import date
from typing import Any

import msgspec
import pytest

from app.errors import InvalidRequest
from app.http.versions.adapter import adapters
from app.http.versions.entity_tags import UNKNOWN, EntityTags, expected
from app.http.versions.moves import field_renamed, parameter_renamed, renamed, replaced
from app.http.versions.version import ContractChange, ContractVersion

TAGS = EntityTags("2026-11-30")


def chain() -> tuple[ContractVersion, ...]:
    """Three versions, in each of which the same field has another name."""

    def version(day: date, older: str, newer: str) -> ContractVersion:
        change = ContractChange(
            operations=("getProfile",),
            says=f"`{newer}` was called `{older}`.",
            answer=renamed("", newer, older),
            request=field_renamed(older, newer),
        )
        return ContractVersion(day=day, changes=(change,))

    return (
        version(date(2026, 1, 1), "one", "two"),
        version(date(2026, 6, 1), "two", "three"),
        ContractVersion(day=date(2027, 1, 1)),
    )


def test_answers_go_back_and_requests_forward_one_version_at_a_time() -> None:
    versions = chain()
    first, second = (adapters(versions, each)["getProfile"] for each in versions[:2])
    assert first.answer(200, b'{"three":1,"x":2}') == (200, b'{"one":1,"x":2}')
    assert second.answer(200, b'{"three":1}') == (200, b'{"two":1}')
    assert first.content(b'{"one":1}') == second.content(b'{"two":1}') == b'{"three":1}'
    assert adapters(versions, versions[2]) == {}


@pytest.mark.parametrize("body", [None, 1, "x", [], {}, {"items": None}, {"items": [1, None]}, {"items": {"a": 1}}])
def test_a_change_leaves_alone_what_has_another_shape(body: Any) -> None:
    assert renamed("items.*", "a", "b")(200, body) == (200, body)
    assert replaced("items.*", "a", {"x": "y"})(200, body) == (200, body)
    assert field_renamed("a", "b")((), body) == ((), body)


def test_a_value_that_is_no_text_is_not_replaced() -> None:
    assert replaced("", "a", {"x": "y"})(200, {"a": ["x"]}) == (200, {"a": ["x"]})
    assert replaced("", "a", {"x": "y"})(200, {"a": "x"}) == (200, {"a": "y"})


def test_parameters_keep_order_blanks_and_repetitions() -> None:
    change = ContractChange(operations=("listInvoices",), says="", request=parameter_renamed("state", "status"))
    versions = (ContractVersion(day=date(2026, 1, 1), changes=(change,)), ContractVersion(day=date(2027, 1, 1)))
    found = adapters(versions, versions[0])["listInvoices"]
    assert found.query_string(b"a=%20&state=paid&b=&state=x") == b"a=+&status=paid&b=&status=x"
    assert found.query_string(b"a=%20&b") == b"a=%20&b"
    assert found.query_string(b"") == b""


def test_a_request_that_breaks_a_change_is_refused_and_no_json_is_left_to_the_route() -> None:
    def careless(query: Any, body: Any) -> Any:
        return query, {"email": body["user"]}

    change = ContractChange(operations=("logIn",), says="", request=careless)
    versions = (ContractVersion(day=date(2026, 1, 1), changes=(change,)), ContractVersion(day=date(2027, 1, 1)))
    found = adapters(versions, versions[0])["logIn"]
    for body in (b"[]", b"{}", b'"x"', b"1"):
        with pytest.raises(InvalidRequest):
            found.content(body)
    assert found.content(b"{") == b"{"
    assert msgspec.json.decode(found.content(b'{"user":"a"}')) == {"email": "a"}


def test_a_validator_holds_in_its_own_version_alone_and_expects_in_any() -> None:
    assert TAGS.of('"abc"') == '"abc-v20261130"'
    assert TAGS.held('"x", W/"abc-v20261130", "abc-v20270601"') == '"abc"'
    assert TAGS.held('"abc-v20261130-gzip"') == '"abc"'
    assert TAGS.held('"abc"') == UNKNOWN
    assert TAGS.held("*") == expected("*") == "*"
    assert expected('"abc-v20261130", "def"') == '"abc", "def"'
    assert expected("abc") == "abc"
