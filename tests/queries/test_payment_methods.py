"""Hints about payment methods: what is about to fail, and a missing spare, by the customer's date."""

from datetime import date

import pytest

from app.queries.payment_methods import MethodAge, hints

TODAY = date(2026, 1, 31)


def method(number: str = "1", expires: str | None = "2030-12", is_default: bool | None = True) -> MethodAge:
    return MethodAge(number, f"Visa {number}", expires, is_default)


SPARE = method("2", is_default=False)


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ([], []),
        ([method()], [("add_backup", "1")]),
        ([method(), SPARE], []),
        ([method(expires="2026-03"), SPARE], []),
        ([method(expires="2026-02"), SPARE], [("expiring", "1")]),
        ([method(expires="2026-01"), SPARE], [("expiring", "1")]),
        ([method(expires="2025-12"), SPARE], [("expired", "1"), ("add_backup", "2")]),
        ([method(expires="2025-12")], [("expired", "1")]),
        ([method(), method("2", "2025-12", is_default=False)], [("add_backup", "1")]),
        ([method(), method("2", "2026-01", is_default=False)], []),
        ([method(is_default=None), method("2", "2026-01", is_default=None)], [("expiring", "2")]),
        ([method(expires=None), SPARE], []),
    ],
)
def test_a_hint_says_what_needs_attention(methods: list[MethodAge], expected: list[tuple[str, str]]) -> None:
    found = hints(methods, TODAY)
    assert [(each.code, each.payment_method_id) for each in found] == expected
    assert all("Please" in each.text for each in found)


def test_the_month_before_is_the_month_before_also_in_december() -> None:
    assert [each.code for each in hints([method(expires="2027-01"), SPARE], date(2026, 12, 1))] == ["expiring"]
    assert hints([method(expires="2027-01"), SPARE], date(2026, 11, 30)) == []
