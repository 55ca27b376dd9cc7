"""Bodies: everything wrong is reported together, in our words, with codes, parameters and pointers."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType

from app.commands.identity.enrolment.sign_up import SignUp
from app.commands.orders.basket import Basket
from app.errors import InvalidRequest
from app.inputs import body, faults
from app.inputs.numbers import Digits
from app.inputs.text import Line, LineOrNothing


class Inner(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: Annotated[Line, Meta(max_length=10)]
    size: Annotated[int, Meta(ge=1, le=3)] = 1


class Outer(Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    first_name: Annotated[Line, Meta(max_length=10)]
    kind: Literal["a", "b"]
    day: date | None = None
    some_id: UUID | None = None
    note: Annotated[Annotated[LineOrNothing, Meta(max_length=5)] | None, Meta(description="x")] = None
    inner: Inner | None = None
    items: Annotated[list[Inner], Meta(min_length=1, max_length=2)] = []
    numbers: list[Annotated[Digits, Meta(max_length=20)]] = []
    later: Line | UnsetType = UNSET
    content: Annotated[bytes, Meta(max_length=4)] = b""
    yes: bool = False


SOUND = {"firstName": "Hana", "kind": "a"}


def wrong(content: Any, kind: Any = Outer) -> dict[str, tuple[str, dict[str, Any]]]:
    """Pointer → code and parameters."""
    raw = content if isinstance(content, bytes) else msgspec.json.encode(content)
    with pytest.raises(InvalidRequest) as refused:
        body.read(kind, raw)
    for each in refused.value.errors:
        assert each.message.endswith((".", "?")), each
        assert "Expected" not in each.message
        assert "`" not in each.message
    return {each.pointer: (each.code, each.params) for each in refused.value.errors}


def test_six_wrong_fields_of_a_sign_up_are_reported_together() -> None:
    found = wrong(
        {
            "email": "a,b@x.example",
            "password": 7,
            "first_name": "Hana\r\nBcc: x",
            "phone": "call me",
            "customer_number": "",
            "address": {"address1": "1", "city": " ", "state": "s", "postcode": "١٦٠", "country": "japan"},
            "is_admin": True,
        },
        SignUp,
    )
    assert {pointer: code for pointer, (code, _) in found.items()} == {
        "/email": "email_invalid",
        "/password": "wrong_type",
        "/first_name": "control_character",
        "/last_name": "missing_field",
        "/phone": "phone_invalid",
        "/customer_number": "field_empty",
        "/address/city": "field_empty",
        "/address/postcode": "postcode_invalid",
        "/address/country": "country_unknown",
        "/is_admin": "unknown_field",
    }


@pytest.mark.parametrize(
    ("more", "pointer", "code", "params"),
    [
        ({"firstName": 1}, "/firstName", "wrong_type", {"expected": ["text"]}),
        ({"firstName": None}, "/firstName", "wrong_type", {"expected": ["text"]}),
        ({"firstName": "x" * 11}, "/firstName", "field_too_long", {"most": 10}),
        ({"firstName": " "}, "/firstName", "field_empty", {}),
        ({"kind": "c"}, "/kind", "not_a_choice", {"choices": ["a", "b"]}),
        ({"kind": 3}, "/kind", "wrong_type", {"expected": ["text"]}),
        ({"day": "tomorrow"}, "/day", "date_invalid", {}),
        ({"day": "2026-02-30"}, "/day", "date_invalid", {}),
        ({"someId": "x"}, "/someId", "invalid_value", {}),
        ({"note": "x" * 6}, "/note", "field_too_long", {"most": 5}),
        ({"note": "a\x1bb"}, "/note", "control_character", {}),
        ({"inner": {}}, "/inner/name", "missing_field", {}),
        ({"inner": []}, "/inner", "wrong_type", {"expected": ["an object", "null"]}),
        ({"inner": {"name": "x", "size": 0}}, "/inner/size", "number_too_small", {"least": 1}),
        ({"inner": {"name": "x", "size": 4}}, "/inner/size", "number_too_large", {"most": 3}),
        ({"inner": {"name": "x", "size": True}}, "/inner/size", "wrong_type", {"expected": ["a whole number"]}),
        ({"inner": {"name": "x", "a/b~c": 1}}, "/inner/a~1b~0c", "unknown_field", {}),
        ({"items": []}, "/items", "too_few_items", {"least": 1}),
        ({"items": [{"name": "x"}] * 3}, "/items", "too_many_items", {"most": 2}),
        ({"items": [{"name": "x"}, {"name": ""}]}, "/items/1/name", "field_empty", {}),
        ({"items": {}}, "/items", "wrong_type", {"expected": ["a list"]}),
        ({"numbers": ["1", 2]}, "/numbers/1", "wrong_type", {"expected": ["text"]}),
        ({"later": ""}, "/later", "field_empty", {}),
        ({"content": "###"}, "/content", "invalid_value", {}),
        ({"content": "eHh4eHh4"}, "/content", "field_too_long", {"most": 4}),
        ({"yes": 1}, "/yes", "wrong_type", {"expected": ["true or false"]}),
    ],
)
def test_each_fault_has_a_code_its_parameters_and_a_pointer(
    more: dict[str, Any], pointer: str, code: str, params: dict[str, Any]
) -> None:
    assert wrong({**SOUND, **more}) == {pointer: (code, params)}
    beside = wrong({**SOUND, **more, "day": "never"})
    assert beside[pointer] == (code, params), "the same beside another fault"
    assert beside["/day"][0] == "date_invalid"


def test_texts_come_in_their_usual_spelling_wherever_they_stand() -> None:
    content = {
        **SOUND,
        "firstName": " Ha  na ",
        "note": " x ",
        "inner": {"name": "e\u0301"},
        "items": [{"name": " y"}],
        "numbers": ["１２－３"],
        "later": " z ",
    }
    found = body.read(Outer, msgspec.json.encode(content))
    assert (found.first_name, found.note, found.inner.name, found.items[0].name, found.numbers, found.later) == (
        "Ha na",
        "x",
        "é",
        "y",
        ["123"],
        "z",
    )
    assert body.read(Outer, msgspec.json.encode({**SOUND, "note": None, "inner": None})).note is None


def test_a_spelling_that_is_longer_than_the_field_is_refused() -> None:
    assert wrong({**SOUND, "firstName": "\ufb2c" * 10}) == {"/firstName": ("field_too_long", {"most": 10})}


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"a": "\xff"}', b"[" * 100_000, b'{"x":' * 50_000, b'{"a": "\\ud800"}']
)
def test_what_is_no_json_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        body.read(Outer, content)
    assert refused.value.code in ("malformed_json", "invalid_request")


@pytest.mark.parametrize("content", [b"null", b"3", b"[]", b'"x"', b"true"])
def test_what_is_no_object_is_said_to_be_none(content: bytes) -> None:
    assert wrong(content) == {"": ("wrong_type", {"expected": ["an object"]})}


def test_a_body_that_need_not_be_there() -> None:
    assert body.read(Inner | None, b"null") is None
    assert wrong(b'{"name": ""}', Inner | None) == {"/name": ("field_empty", {})}


def test_the_answer_to_many_faults_is_short() -> None:
    assert len(wrong({**SOUND, "items": [{"name": 1}] * 10_000})) == faults.MOST
    assert len(wrong({**SOUND, **{f"x{n}": 1 for n in range(10_000)}})) <= faults.MOST


def test_fields_that_do_not_exist_have_their_own_code_when_nothing_else_is_wrong() -> None:
    with pytest.raises(InvalidRequest) as refused:
        body.read(Outer, msgspec.json.encode({**SOUND, "x": 1}))
    assert refused.value.code == "unknown_field"
    with pytest.raises(InvalidRequest) as refused:
        body.read(Outer, msgspec.json.encode({**SOUND, "x": 1, "kind": "c"}))
    assert refused.value.code == "invalid_request"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["items", "sku", "quantity", "configuration", "eid", "mnp", "expires_on", "address", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_the_decoder_refuses_is_explained_and_nothing_else(value: Any) -> None:
    raw = msgspec.json.encode(value)
    try:
        msgspec.json.decode(raw, type=Basket)
    except msgspec.ValidationError:
        assert wrong(value, Basket)
        return
    assert [each for each in faults.faults_of(Basket, value) if each.code in ("missing_field", "wrong_type")] == []
