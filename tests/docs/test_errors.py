"""docs/errors.md holds for every code: it is raised by some test, under the status that stands there."""

import re

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from app import errors
from app.http.answering import problems
from tests.fixtures import raised

ROW = re.compile(r"^\| `([a-z_]+)` \| (\d{3}) \| (.+) \| (.+) \|$", re.M)


def test_every_documented_error_was_raised(request: pytest.FixtureRequest) -> None:
    """Runs last. Of a part of the suite it says nothing."""
    if not raised.is_whole(request.config):
        pytest.skip("only the whole suite raises every error")
    assert [code for code in raised.documented() if code not in raised.RAISED] == []


@hypothesis.given(st.just("only_generated"))
def test_what_a_generated_example_raises_does_not_count(code: str) -> None:
    """The next run may not generate it, and then the suite would fail by chance."""
    errors.Conflict(code=code)
    assert code not in raised.RAISED


def test_what_a_test_raises_counts() -> None:
    errors.Conflict(code="raised_here")
    assert raised.RAISED.pop("raised_here").startswith("tests/docs/test_errors.py")


def test_every_row_says_what_can_be_done() -> None:
    rows = ROW.findall(raised.DOCUMENT.read_text())
    assert len(rows) > 100
    assert [code for code, _, meaning, way in rows if len(meaning) < 5 or len(way) < 5] == []


def test_no_code_stands_there_twice() -> None:
    codes = raised.documented()
    assert sorted(codes) == sorted(set(codes))


def kinds(kind: type[errors.PortalError] = errors.PortalError) -> list[type[errors.PortalError]]:
    """Every kind that can reach a caller; some others never leave the room they are made in."""
    children = [each for child in kind.__subclasses__() for each in kinds(child)]
    return [kind, *children] if kind.__module__ in (errors.__name__, problems.__name__) else children


def one_of(kind: type[errors.PortalError]) -> errors.PortalError:
    return kind("salesforce", "query") if issubclass(kind, errors.UpstreamError) else kind()  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_kind_of_error_is_a_problem_as_documented(kind: type[errors.PortalError]) -> None:
    status, headers, body = problems.rendered(one_of(kind), "request")
    problem = msgspec.json.decode(body)
    documented = {code: int(status) for code, status, _, _ in ROW.findall(raised.DOCUMENT.read_text())}
    assert problem["status"] == status
    assert headers["Cache-Control"] == "no-store"
    if kind not in (errors.ReleaseMismatch, errors.TransactionPooler):  # for operators only
        assert documented[problem["code"]] == status
    assert problem["detail"].endswith(".")
    if status == 503:
        assert int(headers["Retry-After"]) == problem["retry_after"] > 0
