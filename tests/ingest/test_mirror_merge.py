"""What one change means for one mirrored record."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.events import Change, Record
from app.ingest.mirror import merge
from tests.changes import T0, change


def order(data: dict[str, Any] | None = None, **more: Any) -> Change:
    return change("salesforce", "Order", "801A", data, **more)


def mirrored(data: dict[str, Any], at: int = 0, **more: Any) -> Record:
    instant = datetime.fromtimestamp((T0 + at) / 1000, UTC)
    return Record(
        source="salesforce",
        object="Order",
        record_id="801A",
        version=T0 + at,
        occurred_at=instant,
        verified_at=instant,
        data=data,
        **more,
    )


def test_a_partial_change_merges_and_keeps_what_it_does_not_name() -> None:
    verdict, record = merge(
        mirrored({"Status": "Approved", "PoNumber": "7"}), order({"Status": "Processed"}, at=5, kind="partial")
    )
    assert verdict == "applied"
    assert record is not None
    assert record.data == {"Status": "Processed", "PoNumber": "7"}


def test_a_partial_change_of_an_unknown_record_asks_to_read_it() -> None:
    assert merge(None, order({"Status": "Processed"}, kind="partial")) == ("reread", None)


def test_an_older_change_never_overwrites_a_newer_record() -> None:
    assert merge(mirrored({"Status": "Processed"}, at=10), order({"Status": "Draft"}, at=5)) == ("stale", None)


def test_a_late_update_does_not_bring_a_deleted_record_back() -> None:
    gone = mirrored({"Status": "Processed"}, at=10, deleted=True)
    assert merge(gone, order({"Status": "Approved"}, at=5, kind="partial")) == ("stale", None)


def test_an_undelete_brings_the_record_back() -> None:
    verdict, record = merge(mirrored({"Status": "Processed"}, deleted=True), order({"Status": "Approved"}, at=5))
    assert verdict == "applied"
    assert record is not None
    assert not record.deleted


def test_an_echo_that_tells_nothing_new_is_dropped() -> None:
    held = mirrored({"Status": "Activated", "PoNumber": "7"})
    assert merge(held, order({"Status": "Activated"}, kind="partial", echo=True)) == ("echo", None)


def test_an_echo_of_our_own_older_write_in_the_same_second_does_not_flip_the_value_back() -> None:
    held = mirrored({"Status": "Activated"})
    assert merge(held, order({"Status": "Activating"}, kind="partial", echo=True)) == ("reread", None)


def test_a_staff_change_in_the_same_second_applies() -> None:
    verdict, record = merge(mirrored({"Status": "Draft"}), order({"Status": "Approved"}, kind="partial"))
    assert verdict == "applied"
    assert record is not None
    assert record.data["Status"] == "Approved"


@pytest.mark.parametrize("origin", ["backfill", "reconcile", "command"])
def test_a_tie_that_contradicts_is_settled_by_reading_again(origin: str) -> None:
    assert merge(mirrored({"Status": "Approved"}), order({"Status": "Draft"}, origin=origin)) == ("reread", None)


def test_of_two_rereads_in_the_same_second_the_later_read_wins() -> None:
    held = mirrored({"Status": "Approved"})
    early = datetime.fromtimestamp((T0 - 1) / 1000, UTC)
    late = datetime.fromtimestamp((T0 + 1) / 1000, UTC)
    assert merge(held, order({"Status": "Draft"}, origin="refetch", read_at=early))[0] == "stale"
    assert merge(held, order({"Status": "Draft"}, origin="refetch", read_at=late))[0] == "applied"


def test_a_reread_that_finds_the_same_only_verifies() -> None:
    verdict, record = merge(mirrored({"Status": "Approved"}), order({"Status": "Approved"}, at=9, origin="refetch"))
    assert verdict == "unchanged"
    assert record is not None
    assert record.verified_at > mirrored({}).verified_at


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=6))
def test_full_records_converge_whatever_their_order_and_repetition(order_of: list[int], again: list[int]) -> None:
    changes = [order({"Status": str(n)}, at=1000 * n) for n in range(6)]
    record: Record | None = None
    for index in [*order_of, *again]:
        _, merged = merge(record, changes[index])
        record = merged or record
    assert record is not None
    assert record.data == {"Status": "5"}
