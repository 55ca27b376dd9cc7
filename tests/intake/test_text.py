"""Bytes that real systems send, as text that can be stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake.text import DEEPEST, Unreadable, cleaned, decoded, json_object, json_value


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


def test_depth_is_bounded() -> None:
    nested: object = "x"
    for _ in range(DEEPEST + 2):
        nested = [nested]
    with pytest.raises(Unreadable):
        cleaned(nested)
