"""Memory for answers: bounded by bytes whatever happens, and a scan does not sweep out what is in use."""

import gzip
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from app.queries.cache.memory import OVERHEAD_BYTES, CachedAnswer, Memory

VERSION = (1, 1)
BODY = b"x" * 1_000
SIZE = len(BODY) + OVERHEAD_BYTES


def entry(owner: str, name: str = "/api/invoices", body: bytes = BODY) -> CachedAnswer:
    return CachedAnswer(owner, name, VERSION, 0.0, '"tag"', body)


def holds(memory: Memory) -> set[str]:
    return set(memory._by_owner)


def test_what_is_read_again_survives_a_scan_that_is_larger_than_the_memory() -> None:
    memory = Memory(SIZE * 50)
    for number in range(20):
        memory.put(entry(f"used {number}"))
        memory.get(f"used {number}", "/api/invoices")
    for number in range(2_000):
        memory.put(entry(f"scanned {number}"))
    assert {f"used {number}" for number in range(20)} <= holds(memory)
    assert memory.bytes <= memory.most_bytes


def test_what_comes_back_soon_after_it_left_is_kept_longer() -> None:
    memory = Memory(SIZE * 10)
    memory.put(entry("back"))
    for number in range(10):
        memory.put(entry(f"first {number}"))
    assert "back" not in holds(memory)
    memory.put(entry("back"))
    for number in range(100):
        memory.put(entry(f"second {number}"))
    assert "back" in holds(memory)


def test_an_entry_larger_than_everything_is_not_kept() -> None:
    memory = Memory(0)
    memory.put(entry("a"))
    assert (memory.entries, memory.bytes) == (0, 0)


def test_the_packed_body_is_counted_and_its_headers_say_what_it_is() -> None:
    memory = Memory(SIZE * 10)
    memory.put(kept := entry("a"))
    before = memory.bytes
    memory.pack(kept)
    assert kept.packed is not None
    head, packed = kept.packed
    assert gzip.decompress(packed) == BODY
    assert memory.bytes == before + len(packed)
    told = head.split(b"\r\n")
    assert {b"content-encoding: gzip", b"content-length: %d" % len(packed), b'etag: W/"tag"'} < set(told)
    memory.forget("a")
    memory.pack(kept)
    assert memory.bytes == 0


PUT: Callable[[Memory, str], None] = lambda memory, owner: memory.put(entry(owner, body=b"x" * (len(owner) * 700)))  # noqa: E731
DEEDS: list[Callable[[Memory, str], object]] = [
    PUT,
    PUT,
    lambda memory, owner: memory.get(owner, "/api/invoices"),
    lambda memory, owner: (found := memory.get(owner, "/api/invoices")) and memory.pack(found),
    lambda memory, owner: memory.forget(owner),
]


@given(st.lists(st.tuples(st.sampled_from(DEEDS), st.sampled_from(["a", "b", "cc", "dd", "eee", "ffff"]))))
def test_the_books_always_balance(deeds: list[tuple[Callable[[Memory, str], object], str]]) -> None:
    memory = Memory(SIZE * 4)
    for deed, owner in deeds:
        deed(memory, owner)
        kept = [each for names in memory._by_owner.values() for each in names.values()]
        assert memory.bytes == sum(each.size for each in kept) <= memory.most_bytes
        assert memory.entries == len(kept) == len(memory._probation) + len(memory._main)
        assert memory._probation_bytes == sum(each.size for each in memory._probation)
    memory.clear()
    assert (memory.bytes, memory.entries, memory._probation_bytes) == (0, 0, 0)
