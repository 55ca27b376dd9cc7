"""A suspension is the portal's own only with its mark for this very service, and while nobody locked it."""

import pytest

from app.integrations.whm.shapes import HostingAccount
from app.integrations.whm.suspensions import is_own, marked


def account(reason: str, *, suspended: bool = True, locked: bool = False) -> HostingAccount:
    return HostingAccount(
        username="a",
        domain="a.jp",
        plan="basic",
        owner="portal",
        suspended=suspended,
        created_at=1,
        locked=locked,
        suspend_reason=reason,
    )


@pytest.mark.parametrize("reason", ["Overdue on Payment", "", "  two\nlines ", "x" * 500, "was [portal 7"])
def test_a_marked_reason_is_recognised_as_own(reason: str) -> None:
    said = marked("55", reason)
    assert is_own(account(said), "55")
    assert "\n" not in said
    assert len(said) < 255


@pytest.mark.parametrize(
    "found",
    [
        account("Overdue on Payment"),
        account(""),
        account("Abuse [portal 555]"),
        account("Abuse [portal 5]"),
        account("Abuse (portal 55)"),
        account("x [portal 55] [portal 56]"),
        account(marked("55", "x"), locked=True),
        account(marked("55", "x"), suspended=False),
    ],
)
def test_anything_else_belongs_to_others(found: HostingAccount) -> None:
    assert not is_own(found, "55")


def test_a_reason_that_imitates_a_mark_does_not_hide_whose_it_is() -> None:
    said = marked("55", "like [portal 56]")
    assert is_own(account(said), "55")
    assert not is_own(account(said), "56")
