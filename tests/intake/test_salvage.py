"""Values that can be salvaged from a broken answer, and those that cannot."""

import pytest

from app.intake.salvage import salvaged


@pytest.mark.parametrize(
    ("content", "members", "closed"),
    [
        (b'{"result":"success","id":7}', {"result": "success", "id": 7}, True),
        (b'<b>Notice</b> {x} {"result":"success"} <br>', {"result": "success"}, True),
        (b'{"a":{"b":1}} {"result":"error"}', {"result": "error"}, True),
        (b'{"result":"success","id":7', {"result": "success"}, False),
        (b'{"result":"success","rows":[1,2', {"result": "success"}, False),
        (b'{"result":"success\xe9","x":"\\ud83d', {"result": "success\ufffd"}, False),
        (b'{"result":"a\x00b","x":' + b"[" * 100_000, {"result": "ab"}, False),
    ],
)
def test_members_that_came_whole_count(content, members, closed):
    found = salvaged(content, "result")
    assert found is not None
    assert (found.members, found.closed) == (members, closed)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"{",
        b'{"resu',
        b'{"result":"succ',
        b'{"result":7',
        b'{"x":{"result":"success"',
        b"{" * 100_000,
        b"\xff" * 9,
    ],
)
def test_what_is_not_whole_says_nothing(content):
    assert salvaged(content, "result") is None


def test_a_page_of_braces_is_searched_in_bounded_time():
    assert salvaged(b'{"a":' * 50_000 + b'{"result":1}', "result") is None
