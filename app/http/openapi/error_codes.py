"""The error codes with which an operation may answer, read from what its command and its handler are made of.

A code belongs to an operation if a module that the command uses names it, and docs/errors.md documents it. Codes of
layers that every request passes belong to the shared answer of their status. Tests compare every answer with both.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from app.errors import PortalError
from app.http.openapi.documented_errors import documented
from app.http.policies.table import DeclaredRoute

Codes = dict[str, list[str]]

_ROOMS = ("app.commands", "app.ordering", "app.postal")
"""Where rules are whose codes belong to single operations."""
_LAYERS = ("app.http.guards", "app.http.middleware", "app.http.answering", "app.inputs", "app.db")
"""What every request may pass."""


@cache
def statuses() -> dict[str, str]:
    """Map each documented code of the API to its status."""
    return {each.code: each.status for each in documented() if each.status.isdigit()}


@cache
def of_layers() -> Codes:
    """List the codes that an operation may answer whatever it does, by status."""
    found = {each.code for each in _heirs(PortalError)}
    for name, module in list(sys.modules.items()):
        if name.startswith(_LAYERS):
            found |= _named_in(module)
    return _by_status(found)


def of_operation(route: DeclaredRoute) -> Codes:
    """List the codes of an operation's own rules, by status."""
    begin = [each for each in _referred_to(route.handler.fn) if each.startswith(_ROOMS)]
    begin += [route.policy.command.handle.__module__] if route.policy.command else []
    found = {kind.code for kind in route.policy.problems}
    for module in _used(begin):
        found |= _named_in(module)
    general = of_layers()
    allowed = {str(status) for status in route.statuses}
    own = {code for code in found if code not in general.get(statuses().get(code, ""), ())}
    return {status: codes for status, codes in _by_status(own).items() if status in allowed}


def _heirs(kind: type[PortalError]) -> Iterator[type[PortalError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _heirs(each)


def _by_status(codes: Iterable[str]) -> Codes:
    found: Codes = {}
    for code in sorted(codes):
        if status := statuses().get(code):
            found.setdefault(status, []).append(code)
    return dict(sorted(found.items()))


def _used(names: Iterable[str]) -> Iterator[ModuleType]:
    """Iterate over modules and the modules of the rooms that they import."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in seen or name not in sys.modules:
            continue
        seen.add(name)
        yield sys.modules[name]
        waiting += [each for each in _imports(sys.modules[name]) if each.startswith(_ROOMS)]


def _referred_to(function: Any) -> set[str]:
    """Collect the modules of what a function names."""
    named = (function.__globals__.get(name) for name in function.__code__.co_names)
    return {str(getattr(each, "__module__", None) or getattr(each, "__name__", "")) for each in named if each}


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))


@cache
def _imports(module: ModuleType) -> tuple[str, ...]:
    found: list[str] = []
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
    return tuple(found)


@cache
def _named_in(module: ModuleType) -> frozenset[str]:
    """Collect the documented codes that a module names."""
    texts: set[Any] = {node.value for node in ast.walk(_tree(module)) if isinstance(node, ast.Constant)}
    return frozenset(code for code in statuses() if code in texts)
