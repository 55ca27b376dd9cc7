"""The length of pauses while an upstream is unavailable."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from app.integrations.admission.pauses import LONGEST_TOLD_SECONDS, pause_seconds, retry_after_seconds_of


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("20", 20.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("86400", LONGEST_TOLD_SECONDS),
        ("9" * 400, LONGEST_TOLD_SECONDS),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("１０", None),
        ("soon", None),
        ("Wed, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_what_a_header_asks_for_is_bounded_and_nonsense_is_nothing(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds_of(header) == seconds


def test_a_date_is_a_wait_until_then() -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)
    told = retry_after_seconds_of(format_datetime(at, usegmt=True))
    assert told is not None
    assert 85 < told <= 90
    assert retry_after_seconds_of("Sun, 06 Nov 1994 08:49:37 GMT") == 0.0
    assert retry_after_seconds_of("Fri, 31 Dec 9999 23:59:59 GMT") == LONGEST_TOLD_SECONDS


def test_pauses_grow_with_the_outage_and_never_undercut_what_was_asked_for() -> None:
    assert pause_seconds("outage", 0, None) <= 1.2
    assert 3.5 < pause_seconds("outage", 30, None) < 5.5
    assert pause_seconds("outage", 10_000, None) <= 36
    assert 20 <= pause_seconds("limit", 0, 20) <= 20.2
    assert 60 <= pause_seconds("auth", 0, None) <= 66
