"""Which records a read answers from, found in the code of its handler and of the queries that it calls.

Names are followed through `app.queries` only. A resource is a text that `app/readmodels/freshness.py` bounds.
"""

from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from msgspec import Struct, structs

from app.readmodels.freshness import BOUND_SECONDS, EVENT_FED

RESOURCES = frozenset(BOUND_SECONDS) | EVENT_FED
FOLLOWED = "app.queries"


def resources_of(function: Any) -> set[str]:
    """Return the resources that a function names, itself or in what it calls."""
    found: set[str] = set()
    waiting, seen = [function], set[int]()
    while waiting:
        each = waiting.pop()
        if not isinstance(each, FunctionType) or id(each) in seen:
            continue
        seen.add(id(each))
        for value in _used(each):
            if isinstance(value, FunctionType) and value.__module__.startswith(FOLLOWED):
                waiting.append(value)
            found |= RESOURCES & set(_texts(value))
    return found


def _used(function: FunctionType) -> Iterator[Any]:
    """The constants of a function, and what its global names and their attributes mean."""
    for code in _codes(function.__code__):
        yield from code.co_consts
        named = [function.__globals__[name] for name in code.co_names if name in function.__globals__]
        yield from named
        for module in named:
            if isinstance(module, ModuleType) and module.__name__.startswith(FOLLOWED):
                yield from (getattr(module, name) for name in code.co_names if hasattr(module, name))


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of the functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        yield from (each for each in value if isinstance(each, str))
    elif isinstance(value, Struct):
        yield from (each for each in structs.astuple(value) if isinstance(each, str))
