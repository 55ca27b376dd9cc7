"""The effect of one change on one mirrored record."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from app.events import Change, Record
from app.ingest.apply import merging
from app.ingest.apply.merging import MergeVerdict
from tests.fixtures.changes import T0, change


def order(data: dict[str, Any] | None = None, **more: Any) -> Change:
    return change("salesforce", "Order", "801A", data, **more)


def instant(at: int) -> datetime:
    return datetime.fromtimestamp((T0 + at) / 1000, UTC)


def merge(current: Record | None, told: Change, received: int = 60_000) -> tuple[MergeVerdict, Record | None]:
    return merging.merge(current, told, instant(received))


def mirrored(data: dict[str, Any], at: int = 0, **more: Any) -> Record:
    """As the last event, received at once, left it."""
    more = {"heard_at": instant(at), **more}
    return Record(
        source="salesforce",
        object="Order",
        record_id="801A",
        version=T0 + at,
        occurred_at=instant(at),
        verified_at=instant(at),
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


def test_an_older_event_never_overwrites_a_newer_record() -> None:
    older = order({"Status": "Draft"}, at=5, kind="partial")
    assert merge(mirrored({"Status": "Processed"}, at=10), older) == ("stale", None)


def test_a_read_that_shows_an_older_state_than_a_read_before_is_dropped() -> None:
    held = mirrored({"Status": "Processed"}, at=10, heard_at=None, read_at=instant(11), read_version=T0 + 10)
    assert merge(held, order({"Status": "Draft"}, at=5, read_at=instant(20))) == ("stale", None)
    assert merge(held, order({"Status": "Draft"}, at=10, read_at=instant(9))) == ("stale", None)


def test_a_read_that_an_event_overtook_is_asked_for_again_unless_it_says_the_same() -> None:
    held = mirrored({"Status": "Processed"}, at=10)
    overtaken = order({"Status": "Draft"}, at=5, read_at=instant(9))
    assert merge(held, overtaken) == ("reread", None)
    assert merge(held, order({"Status": "Processed"}, at=5, read_at=instant(9)))[0] == "unchanged"
    assert merge(held, order({"Status": "Draft"}, at=5, read_at=instant(10))) == ("reread", None)


def test_a_read_that_began_after_all_that_was_received_is_the_truth_whatever_its_version() -> None:
    """A transaction stamps the record when it writes, and its event has the time at which it commits."""
    verdict, record = merge(
        mirrored({"Status": "Processed"}, at=10), order({"Status": "Draft"}, at=5, read_at=instant(11))
    )
    assert verdict == "applied"
    assert record is not None
    assert (record.data["Status"], record.version) == ("Draft", T0 + 10)


def test_a_deletion_concluded_from_a_read_does_not_outrank_a_later_read_nor_an_undelete() -> None:
    held = mirrored({"Status": "Processed"}, at=10)
    absent = merging.structs.replace(order({}, kind="deleted", read_at=instant(20)), version=0)
    verdict, gone = merge(held, absent)
    assert verdict == "applied"
    assert gone is not None
    assert (gone.deleted, gone.version) == (True, T0 + 10)
    for back in (order({"Status": "Processed"}, at=10, read_at=instant(30)), order({"a": 1}, at=12, read_at=None)):
        verdict, alive = merge(gone, back)
        assert verdict == "applied"
        assert alive is not None
        assert not alive.deleted


def test_a_partial_change_of_a_deleted_record_asks_to_read_it() -> None:
    gone = mirrored({"Status": "Processed"}, deleted=True)
    assert merge(gone, order({"Status": "Draft"}, at=5, kind="partial")) == ("reread", None)


def test_a_whole_event_in_the_same_second_that_contradicts_is_settled_by_reading_again() -> None:
    """A creation that arrives after its read-back, or an undelete: which is later cannot be known."""
    assert merge(mirrored({"Status": "Approved"}), order({"Status": "Draft"}, read_at=None)) == ("reread", None)
    assert merge(mirrored({"Status": "Draft"}, deleted=True), order({"Status": "Draft"}, read_at=None)) == (
        "reread",
        None,
    )
    assert merge(mirrored({"Status": "Draft"}), order({"Status": "Draft"}, read_at=None))[0] == "unchanged"


def test_an_echo_of_our_own_deletion_in_the_same_second_is_not_lost() -> None:
    assert merge(mirrored({"Status": "Draft"}), order({}, kind="deleted", echo=True)) == ("reread", None)


def test_an_echo_that_agrees_says_that_reads_begun_before_it_may_lack_it() -> None:
    held = mirrored({"Status": "Failed", "Name": "a"}, heard_at=None, read_at=instant(1), read_version=T0)
    verdict, heard = merge(held, order({"Status": "Failed"}, kind="partial", echo=True), received=5)
    assert verdict == "echo"
    assert heard is not None
    assert heard.data == held.data
    assert merge(heard, order({"Status": "Draft", "Name": "a"}, read_at=instant(4))) == ("reread", None)


def test_a_record_from_before_these_rules_is_judged_by_its_verification() -> None:
    held = mirrored({"Status": "Processed"}, at=10, heard_at=None)
    assert merge(held, order({"Status": "Draft"}, at=5, read_at=instant(9))) == ("stale", None)
    assert merge(held, order({"Status": "Draft"}, at=5, read_at=instant(11)))[0] == "applied"


def test_a_late_update_does_not_bring_a_deleted_record_back() -> None:
    gone = mirrored({"Status": "Processed"}, at=10, deleted=True)
    assert merge(gone, order({"Status": "Approved"}, at=5, kind="partial")) == ("stale", None)


def test_an_undelete_brings_the_record_back() -> None:
    verdict, record = merge(mirrored({"Status": "Processed"}, deleted=True), order({"Status": "Approved"}, at=5))
    assert verdict == "applied"
    assert record is not None
    assert not record.deleted


def test_an_echo_without_anything_new_is_dropped() -> None:
    held = mirrored({"Status": "Activated", "PoNumber": "7"})
    verdict, record = merge(held, order({"Status": "Activated"}, kind="partial", echo=True))
    assert verdict == "echo"
    assert record is not None
    assert record.data == held.data


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
    held = mirrored({"Status": "Approved"}, heard_at=None, read_at=instant(0), read_version=T0)
    assert merge(held, order({"Status": "Draft"}, origin="refetch", read_at=instant(-1)))[0] == "stale"
    assert merge(held, order({"Status": "Draft"}, origin="refetch", read_at=instant(1)))[0] == "applied"


def test_a_reread_that_finds_the_same_only_verifies() -> None:
    verdict, record = merge(mirrored({"Status": "Approved"}), order({"Status": "Approved"}, at=9, origin="refetch"))
    assert verdict == "unchanged"
    assert record is not None
    assert record.verified_at > mirrored({}).verified_at


def applied(current: Record | None, told: Change, received: int = 60_000) -> Record:
    verdict, record = merge(current, told, received)
    assert verdict == "applied"
    assert record is not None
    return record


def test_what_is_new_is_applied_as_it_was_told() -> None:
    record = applied(None, order({"Status": "Draft"}, at=7, read_at=None, owner_id="001A", parent_id="801P"))
    assert (record.version, record.occurred_at, record.verified_at) == (T0 + 7, instant(7), instant(7))
    assert (record.owner_id, record.parent_id, record.data) == ("001A", "801P", {"Status": "Draft"})
    assert (record.read_at, record.heard_at, record.read_version) == (None, instant(60_000), None)


def test_a_record_that_goes_to_another_owner_or_parent_changes_though_it_says_the_same() -> None:
    held = mirrored({"Status": "Draft"}, owner_id="001A", parent_id="801P")
    for moved in ({"owner_id": "001B"}, {"parent_id": "801Q"}):
        record = applied(held, order({"Status": "Draft"}, at=5, read_at=None, **moved))
        assert (record.owner_id, record.parent_id) == (moved.get("owner_id", "001A"), moved.get("parent_id", "801P"))


def test_a_change_that_names_no_owner_leaves_the_record_with_its_own() -> None:
    held = mirrored({"Status": "Draft"}, owner_id="001A", parent_id="801P")
    record = applied(held, order({"Status": "Approved"}, at=5, kind="partial"))
    assert (record.owner_id, record.parent_id) == ("001A", "801P")


def test_of_several_reads_and_events_the_latest_instants_are_kept() -> None:
    held = structs.replace(
        mirrored({"Status": "Draft"}, at=10, heard_at=instant(50), read_at=instant(40)), verified_at=instant(45)
    )
    read = applied(held, order({"Status": "Approved"}, at=20, read_at=instant(30)))
    assert (read.heard_at, read.read_at, read.verified_at) == (instant(50), instant(40), instant(45))
    heard = applied(held, order({"Status": "Approved"}, at=20, read_at=None), received=49)
    assert (heard.heard_at, heard.read_at, heard.verified_at) == (instant(50), instant(40), instant(45))


def test_a_read_raises_what_was_read_of_the_living_record_and_an_event_does_not() -> None:
    first = applied(None, order({"Status": "Draft"}, at=10, read_at=instant(11)))
    assert first.read_version == T0 + 10
    told = applied(first, order({"Status": "Approved"}, at=20, read_at=None), received=21)
    assert told.read_version == T0 + 10
    again = applied(told, order({"Status": "Processed"}, at=15, read_at=instant(30)))
    assert (again.read_version, again.version) == (T0 + 15, T0 + 20)
    gone = applied(again, order({}, at=25, kind="deleted", read_at=instant(40)))
    assert gone.read_version == T0 + 15, "what is gone need not come back with a higher version"


def test_a_read_that_began_with_the_last_one_is_as_good_as_it() -> None:
    held = mirrored({"Status": "Draft"}, heard_at=None, read_at=instant(20), read_version=T0)
    assert applied(held, order({"Status": "Approved"}, read_at=instant(20))).data == {"Status": "Approved"}


def test_a_deletion_without_a_timestamp_is_judged_by_when_it_was_read() -> None:
    held = mirrored({"Status": "Draft"}, at=10, heard_at=None, read_at=instant(20), read_version=T0 + 10)
    unstamped = structs.replace(order({}, kind="deleted", read_at=instant(30)), version=0)
    assert applied(held, unstamped).deleted
    stamped = order({}, at=5, kind="deleted", read_at=instant(30))
    assert merge(held, stamped) == ("stale", None)
    late = structs.replace(unstamped, read_at=instant(19))
    assert merge(held, late) == ("stale", None)
    assert applied(None, unstamped).version == 0
    alive = structs.replace(order({"Status": "Approved"}, read_at=instant(30)), version=0)
    assert merge(held, alive) == ("stale", None), "a living record bears a stamp"


def test_a_late_echo_of_our_own_write_is_distinguished_from_a_late_event() -> None:
    held = mirrored({"Status": "Processed"}, at=10)
    assert merge(held, order({"Status": "Draft"}, at=5, kind="partial", echo=True)) == ("echo", None)


def test_one_field_that_contradicts_is_enough_to_read_again() -> None:
    held = mirrored({"Status": "Approved", "PoNumber": "7"})
    told = order({"Status": "Draft", "PoNumber": "7"}, kind="partial", echo=True)
    assert merge(held, told) == ("reread", None)


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=6))
def test_full_records_converge_whatever_their_order_and_repetition(order_of: list[int], again: list[int]) -> None:
    changes = [order({"Status": str(n)}, at=1000 * n) for n in range(6)]
    record: Record | None = None
    for index in [*order_of, *again]:
        _, merged = merge(record, changes[index])
        record = merged or record
    assert record is not None
    assert record.data == {"Status": "5"}
