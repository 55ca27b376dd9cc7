"""Fields of a record: what is there and cannot be read is counted, and what is not there is not."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.intake import unreadable
from app.intake.fields import Fields


def service(value: Any) -> Fields:
    unreadable.taken()
    return Fields("whmcs", "service", "7", {"field": value})


def test_each_kind_of_field_is_read() -> None:
    assert service("1,000.00").money("field") == Decimal("1000")
    assert service("7.0").whole_number("field") == 7
    assert service("30/11/2026").day("field") == date(2026, 11, 30)
    assert service("2026-01-31 10:15").instant("field") == datetime(2026, 1, 31, 10, 15, tzinfo=UTC)
    tokyo = ZoneInfo("Asia/Tokyo")
    assert service("2026-01-31 10:15").instant("field", tokyo) == datetime(2026, 1, 31, 1, 15, tzinfo=UTC)
    assert service("on").read("field", {"on": True}.get) is True
    assert unreadable.taken() == []


@pytest.mark.parametrize("kind", ["money", "whole_number", "day", "instant"])
def test_what_cannot_be_read_is_counted_whatever_it_was_to_be(kind: str) -> None:
    assert getattr(service("soon"), kind)("field") is None
    assert [(each.field, each.record_id) for each in unreadable.taken()] == [("field", "7")]


@pytest.mark.parametrize(
    "value",
    [None, "", "  ", "0000-00-00", " 0000-00-00 00:00:00", "-0001-11-30T00:00:00.000", "00/00/0000", "0000-00-00 "],
)
def test_what_says_nothing_is_not_counted(value: Any) -> None:
    fields = service(value)
    assert (fields.day("field"), fields.says_nothing("field"), fields.says_nothing("absent")) == (None, True, True)
    assert unreadable.taken() == []


@pytest.mark.parametrize("value", ["soon", 0, [], "0000-00-00 soon", "0000-00-01"])
def test_what_says_something_is_told_apart_from_nothing(value: Any) -> None:
    assert not service(value).says_nothing("field")


def test_an_unreadable_field_is_none_and_counted_and_an_absent_one_is_not() -> None:
    unreadable.taken()
    values = {"nextduedate": "soon", "regdate": "0000-00-00 00:00", "recurringamount": "1,000.00"}
    fields = Fields("whmcs", "service", "7", values)
    assert fields.day("nextduedate") is None
    assert fields.day("nextduedate") is None
    assert fields.day("regdate") is None
    assert fields.day("absent") is None
    assert fields.money("recurringamount") == Decimal("1000")
    (counted,) = unreadable.taken()
    assert (counted.source, counted.object, counted.field, counted.count, counted.record_id) == (
        ("whmcs", "service", "nextduedate", 2, "7")
    )
    assert unreadable.taken() == []
    unreadable.put_back([counted])
    assert unreadable.taken() == [counted]
