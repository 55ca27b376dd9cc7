"""Laws of the merge: once feeds are quiet and every read that was asked for is delivered, the mirror is the upstream.

A world is played: somebody writes upstream, events are on their way, entries wait to be applied, reads are asked for,
begin, see the state of an instant after that, and are delivered later. Hypothesis decides what happens next, so reads
begin, see and arrive at any point, several at once, in any order. Stamps are coarse, echoes and gaps occur, records are
deleted and come back.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from app.events import Change, Record
from app.ingest.apply.merging import merge

START = datetime(2026, 11, 1, tzinfo=UTC)
FIELDS = ("Status", "Name")
ENOUGH = 100
"""Rounds in which a quiet world comes to rest; a world that reads without end never does."""


class State(Struct, frozen=True):
    """The upstream's record after one of its changes. `stamp` is the second in which the transaction wrote, `commit`
    the one in which it ended."""

    data: dict[str, Any]
    changed: dict[str, Any]
    deleted: bool
    stamp: int
    commit: int
    kind: str
    echo: bool
    gap: bool


class Read(Struct):
    """A read in flight. `page` says that nobody asked for it: a page, or a command's read-back."""

    began: int
    page: bool
    saw: State | None = None


class World:
    """One record: upstream, feed, inbox, fetch lane and mirror."""

    def __init__(self, *, whmcs: bool = False, ticks_a_second: int = 5) -> None:
        self.whmcs, self.ticks_a_second = whmcs, ticks_a_second
        self.tick = 0
        self.states: list[State] = []
        self.feed: list[State] = []
        self.inbox: list[tuple[Change, datetime]] = []
        self.hints = 0
        self.reads: list[Read] = []
        self.mirror: Record | None = None
        self.rereads = 0
        self.last_write = 0

    def staff_writes(self, number: int) -> None:
        """Staff change a field, or bring the record back."""
        self._write(number, echo=False)

    def we_write(self, number: int) -> None:
        """So does the portal; its event is an echo."""
        self._write(number, echo=True)

    def is_deleted(self, number: int) -> None:
        """Somebody deletes it."""
        if not self.states[-1].deleted:
            self._write(number, echo=number % 2 == 1, deleted=True)

    def _write(self, number: int, *, echo: bool, deleted: bool = False) -> None:
        """Write a value that never comes twice, so that no error hides behind another. A long transaction stamps the
        record when it begins to write. `number` selects the field, the length, and whether its event is a gap."""
        last = self.states[-1] if self.states else None
        changed = {} if deleted else {FIELDS[number % 2]: len(self.states)}
        whole = last is None or last.deleted
        began = self.last_write if number // 2 % 3 == 0 else self.tick
        state = State(
            data={**(last.data if last else dict.fromkeys(FIELDS)), **changed},
            changed=changed,
            deleted=deleted,
            stamp=began // self.ticks_a_second,
            commit=self.tick // self.ticks_a_second,
            kind="deleted" if deleted else "full" if whole else "partial",
            echo=echo,
            gap=self.whmcs or number // 6 == 0,
        )
        self.last_write = self.tick
        self.states.append(state)
        self.feed.append(state)

    def tell(self, number: int) -> None:
        """Deliver the next event; a gap event and a webhook only request a read."""
        if not self.feed:
            return
        state = self.feed.pop(0)
        if state.gap:
            self.hints += 1
            return
        data = {"full": state.data, "partial": state.changed, "deleted": {}}[state.kind]
        self._received(self._change(state.kind, data, state.commit * 1000, "cdc", echo=state.echo))

    def apply(self, number: int) -> None:
        """Merge the next entry, as the worker does."""
        if not self.inbox:
            return
        change, received_at = self.inbox.pop(0)
        verdict, record = merge(self.mirror, change, received_at)
        if verdict == "reread":
            self.rereads += 1
            self.hints += 1
        self.mirror = record or self.mirror

    def begin(self, number: int) -> None:
        """Begin a read; one serves everything that has requested it so far."""
        if self.hints and self.states:
            self.hints = 0
            self.reads.append(Read(self.tick, page=False))

    def begin_page(self, number: int) -> None:
        """Begin a read of a backfill, a reconciliation, a list or a command."""
        if self.states:
            self.reads.append(Read(self.tick, page=True))

    def see(self, number: int) -> None:
        """Let the upstream read its answer."""
        if unseen := [each for each in self.reads if each.saw is None]:
            unseen[number % len(unseen)].saw = self.states[-1]

    def deliver(self, number: int) -> None:
        """Deliver the answer to the inbox."""
        if not self.reads:
            return
        read = self.reads.pop(number % len(self.reads))
        state = read.saw or self.states[-1]
        version = int(self._at(read.began).timestamp() * 1000) if self.whmcs else state.stamp * 1000
        if state.deleted and not self.whmcs and not read.page:
            version = 0  # "not found" bears no stamp
        kind, data = ("deleted", {}) if state.deleted else ("full", state.data)
        origin = ("reconcile", "backfill", "command")[number % 3] if read.page else "refetch"
        self._received(self._change(kind, data, version, origin, read_at=self._at(read.began)))

    def settle(self, order: Sequence["Step"]) -> None:
        """Nobody writes any more; everything on its way arrives."""
        for _ in range(ENOUGH):
            for step in order:
                self.tick += 1
                step(self, 0)
            if not (self.feed or self.inbox or self.hints or self.reads):
                return
        raise AssertionError("reads are asked for without end")

    def _received(self, change: Change) -> None:
        self.inbox.append((change, self._at(self.tick)))

    def _change(self, kind: Any, data: dict[str, Any], version: int, origin: Any, **more: Any) -> Change:
        at = START + timedelta(milliseconds=version)
        return Change(
            source="whmcs" if self.whmcs else "salesforce",
            object="Order",
            record_id="801A",
            kind=kind,
            event_id="",
            version=version,
            occurred_at=at if not self.whmcs else self._at(self.tick),
            origin=origin,
            data=data,
            **more,
        )

    def _at(self, tick: int) -> datetime:
        return START + timedelta(seconds=tick / self.ticks_a_second)


Step = Callable[[World, int], None]
WAYS: tuple[Step, ...] = (World.tell, World.apply, World.begin, World.see, World.deliver)
STEPS = (World.staff_writes, World.we_write, World.is_deleted, World.begin_page, *WAYS, *WAYS)
play = st.tuples(
    # what happens, to which, and the ticks that pass before it
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 35), st.integers(0, 2)), min_size=8, max_size=40),
    st.permutations(WAYS),
    st.integers(0, 35),  # how the record was made
)


def played(steps: Any, *, whmcs: bool = False) -> World:
    world = World(whmcs=whmcs)
    world.staff_writes(steps[2])
    for step, number, ticks in steps[0]:
        world.tick += ticks
        step(world, number)
    world.settle(steps[1])
    return world


def agrees(world: World) -> None:
    truth = world.states[-1]
    assert world.mirror is not None
    assert world.mirror.deleted == truth.deleted
    if not truth.deleted:
        assert world.mirror.data == truth.data


@settings(max_examples=3_000, deadline=None)
@given(play)
def test_whenever_reads_begin_and_arrive_the_mirror_ends_as_the_upstream(steps: Any) -> None:
    agrees(played(steps))


def interleavings(*left: int) -> Iterator[tuple[int, ...]]:
    """Every order in which sequences of these lengths can be mixed, as the numbers of the sequences."""
    if not any(left):
        yield ()
    for number, count in enumerate(left):
        if count:
            rest = [*left[:number], count - 1, *left[number + 1 :]]
            yield from ((number, *more) for more in interleavings(*rest))


@pytest.mark.parametrize(("writes", "seconds"), [("we staff", 0), ("staff we", 0), ("we staff", 1), ("staff staff", 0)])
def test_two_reads_begin_see_and_arrive_at_every_point_of_a_small_history(writes: str, seconds: int) -> None:
    """Exhaustive: two writes, their events, and two overlapping reads in every order there is. What arrives is applied
    at once."""
    begins: list[Step] = [World.we_write if who == "we" else World.staff_writes for who in writes.split()]
    for order in interleavings(2, 2, 3, 3):
        world, done = World(ticks_a_second=100), [0, 0, 0, 0]
        world.staff_writes(10)
        world.tell(0)
        world.apply(0)
        reads: dict[int, Read] = {}
        for sequence in order:
            if sequence == 0:
                world.tick += seconds * 100
                begins[done[0]](world, 8 + done[0])
            elif sequence == 1:
                world.tell(0)
            else:
                _one_of_two(world, reads, sequence, done[sequence])
            done[sequence] += 1
            world.tick += 1
            world.apply(0)
        world.settle(WAYS)
        agrees(world)


def _one_of_two(world: World, reads: dict[int, Read], which: int, step: int) -> None:
    if step == 0:
        world.begin_page(0)
        reads[which] = world.reads[-1]
    elif step == 1:
        reads[which].saw = world.states[-1]
    else:
        world.deliver(next(place for place, each in enumerate(world.reads) if each is reads[which]))


@settings(max_examples=1_500, deadline=None)
@given(play)
def test_reads_of_an_upstream_without_stamps_end_in_the_latest_state(steps: Any) -> None:
    """WHMCS: a version is the instant at which a read began, hooks only ask for reads, and reads overlap."""
    agrees(played(steps, whmcs=True))


@settings(max_examples=500, deadline=None)
@given(play)
def test_what_is_asked_to_be_read_again_is_bounded_by_what_arrived(steps: Any) -> None:
    """An event asks for one read at most, and an answer for another only when an event arrived after it was begun."""
    world = played(steps)
    pages = sum(step is World.begin_page for step, _, _ in steps[0])
    assert world.rereads <= len(world.states) * (pages + len(world.states) + 1)


@settings(max_examples=300, deadline=None)
@given(play)
def test_a_quiet_record_that_is_read_again_is_only_verified(steps: Any) -> None:
    world = played(steps)
    world.tick += 1
    world.begin_page(0)
    world.deliver(0)
    change, received_at = world.inbox.pop()
    assert merge(world.mirror, change, received_at)[0] == "unchanged"
