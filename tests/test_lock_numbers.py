"""Every advisory lock with a number takes it from one enum, and no number ever changes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.lock_numbers import LockSpace

APP = Path(__file__).parents[1] / "app"
OWN = APP / "lock_numbers.py"
BY_SPACE = {"Lock": 0, "leases.Lock": 0, "leases.named": 1, "leases.alone": 1, "leases.those_free": 1}
"""What takes a space: the call, and which of its arguments the space is."""
PASSING_ON = APP / "leases"
"""Its modules pass on the spaces that they are given."""
NUMBERED = re.compile(r"pg_(try_)?advisory\w*\(\s*[0-9-]")
RESERVED = range(0x1B00, 0x1C00)


def numbers_of_locks(source: str) -> Iterator[str]:
    """Whatever names a lock's number otherwise than through `LockSpace`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            place = BY_SPACE.get(ast.unparse(node.func))
            if place is not None and len(node.args) > place and not _is_space(node.args[place]):
                yield ast.unparse(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value in RESERVED:
            yield hex(node.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NUMBERED.search(node.value):
            yield node.value


def _is_space(argument: ast.expr) -> bool:
    return (
        isinstance(argument, ast.Attribute)
        and isinstance(argument.value, ast.Name)
        and argument.value.id == LockSpace.__name__
    )


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=lambda path: str(path.relative_to(APP)))
def test_no_module_numbers_a_lock_by_itself(path: Path) -> None:
    if path != OWN and path.parent != PASSING_ON:
        assert list(numbers_of_locks(path.read_text())) == []


def test_the_numbers_are_those_of_running_installations() -> None:
    assert {each.name: each.value for each in LockSpace} == {
        "DRAIN": 0x1B0C,
        "REFETCH": 0x1B0D,
        "LEADER": 0x1B0E,
        "REBUILD": 0x1B0F,
        "CHORE": 0x1B10,
        "QUEUE": 0x1B11,
    }


@pytest.mark.parametrize(
    "source",
    [
        "Lock(7)",
        "leases.named(pool, SPACE, 'x')",
        "leases.alone(pool, 0x1B20, 'x', work)",
        "CHORE_LOCK = 0x1B11",
        "fetch('SELECT pg_try_advisory_lock(6922)')",
        "fetch(f'SELECT pg_advisory_xact_lock(1, {key})')",
    ],
)
def test_a_number_of_its_own_is_noticed(source: str) -> None:
    assert list(numbers_of_locks(source))
    assert list(numbers_of_locks("Lock(LockSpace.DRAIN, shard)")) == []
