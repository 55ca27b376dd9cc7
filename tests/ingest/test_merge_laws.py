"""Laws of the merge, for any changes of one record in any order: they end in the truth.

A record's real history is generated, then everything that may tell of it: change events with only what changed, echoes,
pages and read-backs of some state, deletions and returns. They come in any order that the feeds allow; what is told
twice the inbox drops by its id. Where `merge` asks for the record to be read again, it gets the state of that moment.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.events import Change, Record
from app.ingest.mirror import merge

START = datetime(2026, 11, 1, tzinfo=UTC)
FIELDS = ("Status", "Name", "Total")


class State:
    """The upstream's record after one of its changes."""

    def __init__(self, number: int, second: int, changed: dict[str, Any], data: dict[str, Any], deleted: bool) -> None:
        self.number, self.second = number, second
        self.changed, self.data, self.deleted = changed, data, deleted


steps = st.lists(
    st.tuples(
        st.integers(0, 2),  # seconds since the one before: Salesforce stamps to the second, so ties are common
        st.dictionaries(st.sampled_from(FIELDS), st.one_of(st.none(), st.integers(0, 3)), min_size=1),
        st.booleans(),  # whether the portal itself wrote it
    ),
    min_size=1,
    max_size=6,
)


def history(drawn: list[tuple[int, dict[str, Any], bool]]) -> list[State]:
    states, data, second = [], dict.fromkeys(FIELDS), 0
    for number, (later, changed, _) in enumerate(drawn):
        second += later
        data = {**data, **changed}
        states.append(State(number, second, changed, data, False))
    return states


def event(state: State, *, echo: bool) -> Change:
    """What the bus tells: all fields of a creation, only the changed ones of an update."""
    whole = state.number == 0
    return _change(state, "full" if whole else "partial", state.data if whole else state.changed, "cdc", echo=echo)


def page(state: State, origin: Any) -> Change:
    """A whole record, read while the upstream was in that state."""
    return _change(state, "full", state.data, origin, read_at=_at(state) + timedelta(milliseconds=state.number))


def _change(state: State, kind: Any, data: dict[str, Any], origin: Any, **more: Any) -> Change:
    return Change(
        source="salesforce",
        object="Order",
        record_id="801A",
        kind=kind,
        event_id=f"{origin}:{state.number}:{kind}",
        version=int(_at(state).timestamp() * 1000),
        occurred_at=_at(state),
        origin=origin,
        data=data,
        **more,
    )


def _at(state: State) -> datetime:
    return START + timedelta(seconds=state.second)


def settled(changes: list[Change], truth: State) -> Record | None:
    """Apply in this order. A re-read comes after everything was told, as the fetch lane does, and shows the truth."""
    record: Record | None = None
    rereads = 0
    for change in changes:
        verdict, merged = merge(record, change)
        rereads += verdict == "reread"
        record = merged or record
    if rereads:
        late = datetime(2026, 12, 1, tzinfo=UTC)
        _, merged = merge(record, _change(truth, "full", truth.data, "refetch", read_at=late))
        record = merged or record
    return record


@settings(max_examples=500, deadline=None)
@given(steps, st.data())
def test_events_and_pages_in_any_order_of_the_feeds_end_in_the_truth(drawn: Any, data: st.DataObject) -> None:
    states = history(drawn)
    feed = [event(state, echo=echo) for state, (_, _, echo) in zip(states, drawn, strict=True)]
    seen = data.draw(st.lists(st.sampled_from(states), max_size=3), label="states that pages saw")
    pages = [page(state, origin) for state in seen for origin in ("backfill", "command")]
    mixed = _interleaved(feed, data.draw(st.permutations(pages)), data)
    last = settled(mixed, states[-1])
    assert last is not None
    assert last.data == states[-1].data
    assert last.version == int(_at(states[-1]).timestamp() * 1000)


@given(steps)
def test_whole_reads_in_any_order_end_in_the_latest(drawn: Any) -> None:
    """WHMCS: a version is the instant at which a read began, so no two are equal."""
    states = history([(1, changed, echo) for _, changed, echo in drawn])
    reads = [page(state, "refetch") for state in states]
    for order in (reads, reads[::-1], reads[1:] + reads[:1], reads + reads):
        last = settled(order, states[-1])
        assert last is not None
        assert last.data == states[-1].data


@given(steps, st.integers(1, 5))
def test_a_late_update_does_not_raise_the_dead(drawn: Any, later: int) -> None:
    states = history(drawn)
    gone = State(len(states), states[-1].second + later, {}, states[-1].data, True)
    deletion = _change(gone, "deleted", {}, "cdc")
    record: Record | None = None
    for change in [event(states[0], echo=False), deletion, *(event(state, echo=False) for state in states)]:
        _, merged = merge(record, change)
        record = merged or record
    assert record is not None
    assert record.deleted
    back = State(gone.number + 1, gone.second + 1, {}, states[-1].data, False)
    verdict, returned = merge(record, page(back, "cdc"))
    assert verdict == "applied"
    assert returned is not None
    assert not returned.deleted


def _interleaved(feed: list[Change], pages: list[Change], data: st.DataObject) -> list[Change]:
    """Pages fall anywhere between the events, whose own order the bus keeps."""
    mixed = list(feed)
    for each in pages:
        mixed.insert(data.draw(st.integers(0, len(mixed))), each)
    return mixed
