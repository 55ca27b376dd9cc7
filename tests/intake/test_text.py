"""Bytes that real systems send, as text that can be stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake.text import DEEPEST, Unreadable, clean, cleaned, decoded, json_object, json_value, scalar


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b' \r\n\xef\xbb\xbf\n {"a": 1}\n', {"a": 1}),
        (b'{"a": "caf\xe9"}', {"a": "caf\N{REPLACEMENT CHARACTER}"}),
        (b'{"a": "\x83\x65\x83\x58"}', {"a": "\N{REPLACEMENT CHARACTER}e\N{REPLACEMENT CHARACTER}X"}),
        (b'{"a": "ok \\ud83d"}', {"a": "ok \N{REPLACEMENT CHARACTER}"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\N{GRINNING FACE}"}),
        (b'{"a": "x\\u0000y"}', {"a": "xy"}),
        (b'{"a\\u0000": "x\x00y"}', {"a": "xy"}),
        (b'{"a": "line\nbreak\ttab"}', {"a": "line\nbreak\ttab"}),
        (b'{"a": NaN, "b": 1e999, "c": -Infinity}', {"a": None, "b": None, "c": None}),
        (b'{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
    ],
)
def test_sloppy_json_is_read(content: bytes, value: object) -> None:
    assert json_value(content) == value


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b'{"a": ',
        b"[" * 100_000,
        b"[" * 500 + b"]" * 500 + b" ",
        b'{"a": ' + b"1" * 5_000 + b"}",
        b"\xff\xfe",
    ],
)
def test_what_is_no_json_is_unreadable_and_nothing_else(content: bytes) -> None:
    with pytest.raises(Unreadable):
        json_object(content)


def test_an_object_is_an_object() -> None:
    for content in (b"[]", b'"text"', b"1", b"null"):
        with pytest.raises(Unreadable):
            json_object(content)


@given(st.binary(max_size=200))
def test_any_bytes_become_text_that_can_be_stored(content: bytes) -> None:
    text = decoded(content)
    assert "\x00" not in text
    text.encode()


@given(st.binary(max_size=200))
def test_any_bytes_as_json_are_a_value_or_unreadable(content: bytes) -> None:
    for body in (content, b'{"a": "' + content + b'"}'):
        try:
            value = json_value(body)
        except Unreadable:
            continue
        assert value == cleaned(value)


def nested(levels: int, kind: str) -> object:
    value: object = "x"
    for _ in range(levels):
        value = [value] if kind == "list" else {"a": value}
    return value


@pytest.mark.parametrize("kind", ["list", "object"])
def test_depth_is_bounded(kind: str) -> None:
    assert cleaned(nested(DEEPEST, kind)) == nested(DEEPEST, kind)
    with pytest.raises(Unreadable):
        cleaned(nested(DEEPEST + 1, kind))


def test_values_that_are_no_text_are_left_as_they_are() -> None:
    value = {"a": 1.5, "b": 7, "c": None, "d": True, 5: [1, 2]}
    assert cleaned(value) == value
    assert cleaned((1, 2)) == [1, 2]
    assert cleaned([float("nan"), float("inf")]) == [None, None]


@pytest.mark.parametrize(
    ("text", "stored"),
    [("a\x00b", "ab"), ("é\x00é", "éé"), ("a\ud83d", "a\N{REPLACEMENT CHARACTER}"), ("plain", "plain"), ("é", "é")],
)
def test_text_is_cleaned_of_what_cannot_be_stored(text: str, stored: str) -> None:
    assert clean(text) == stored


@pytest.mark.parametrize(
    ("value", "text"),
    [("a\x00", "a"), (7, "7"), (1.5, "1.5"), (None, ""), (["a"], ""), ({"a": 1}, ""), (10**5_000, "")],
    ids=["text", "whole", "fraction", "none", "list", "object", "very many digits"],
)
def test_a_scalar_is_text_and_anything_else_says_nothing(value: object, text: str) -> None:
    assert scalar(value) == text


def test_shift_jis_is_read_where_its_backslashes_would_break_json() -> None:
    assert json_object('{"name": "ソニック"}'.encode("cp932")) == {"name": "ソニック"}


@pytest.mark.parametrize("rest", [b"X", b"\\", b"}", b'"'])
def test_what_stands_behind_json_makes_it_unreadable(rest: bytes) -> None:
    for body in (b'{"a": 1}', b'{"a": "\\u0000"}'):
        assert json_value(body + b" \x00\r\n\t") == json_value(body)
        with pytest.raises(Unreadable):
            json_value(body + rest)
