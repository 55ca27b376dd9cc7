"""Only a favourable word that is known, together with an offering, makes an address eligible."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.events import Record
from app.intake import unreadable
from app.projections.eligibility import projector
from app.projections.projector import Group
from app.settings import Settings

AT = datetime(2026, 2, 1, tzinfo=UTC)


def seen(settings: Settings, status: Any, offering: Any) -> tuple[str, str | None]:
    """Status and offering as the customer is shown them."""
    data = {"Internet_Eligibility_Status__c": status, "Internet_Eligibility__c": offering}
    account = Record(
        source="salesforce", object="Account", record_id="001A", version=1, occurred_at=AT, verified_at=AT, data=data
    )
    group = Group(account_id=UUID(int=1), item_id="", records=[account], context={})
    [row] = projector(settings).project(group).rows
    shown = msgspec.json.decode(row["document"])["internet"]
    assert (row["internet_status"], row["internet_offering"]) == (shown["status"], shown["offering"])
    return shown["status"], shown["offering"]


@pytest.mark.parametrize("word", ["Eligible", "Checked", " eligible", "ELIGIBLE", "Ｅｌｉｇｉｂｌｅ"])
def test_a_favourable_word_with_an_offering_is_eligible(settings: Settings, word: str) -> None:
    assert seen(settings, word, "Home 1G") == ("eligible", "Home 1G")


@pytest.mark.parametrize("offering", [None, "", "  "])
def test_a_favourable_word_without_an_offering_is_being_checked(settings: Settings, offering: Any) -> None:
    assert seen(settings, "Eligible", offering) == ("checking", None)


@pytest.mark.parametrize(
    "word", ["Expired", "Rejected", "Under Review", "Not Eligible", "Eligible?", "利用可能", "eligible no", True, 1]
)
def test_a_word_that_nobody_knows_is_being_checked_and_counted(settings: Settings, word: Any) -> None:
    unreadable.taken()
    status, offering = seen(settings, word, "Home 1G")
    assert (status, offering) == ("checking", None)
    counted = [(each.object, each.field) for each in unreadable.taken()]
    assert counted == ([("Account", "Internet_Eligibility_Status__c")] if isinstance(word, str) else [])


@pytest.mark.parametrize(
    ("word", "offering", "status"),
    [
        (None, None, "not_requested"),
        ("", "", "not_requested"),
        (None, "Home 1G", "checking"),
        ("Not Requested", None, "not_requested"),
        ("Pending", "Home 1G", "checking"),
        ("Not Available", "Home 1G", "not_available"),
    ],
)
def test_the_other_words(settings: Settings, word: Any, offering: Any, status: str) -> None:
    assert seen(settings, word, offering) == (status, None)
