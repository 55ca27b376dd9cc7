"""Runs of collected tests, one for each mutant, in processes forked from the one that collected them."""

import importlib
import os
import signal
import time
from collections.abc import Sequence
from typing import Any

import pytest

from tests.mutants.mutate import Mutant

SLOWER = 5
LEAST_SECONDS = 20
"""A mutant may take this many times as long as the original, and this long in any case. One that takes longer hangs,
which is noticed."""


class Runs:
    """A pytest plugin that runs the collected tests once with all functions unchanged and then for each mutant.

    Attributes:
        sound: whether all tests pass without a change, so that one that fails has noticed the mutant.
        survived: the mutants that no test noticed.
    """

    def __init__(self, same: Sequence[Mutant], wanted: Sequence[Mutant], processes: int) -> None:
        self._same, self._wanted, self._processes = same, wanted, processes
        self.sound = False
        self.survived: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Take the place of pytest's own loop, unless a test fails already, which pytest then reports."""
        started = time.monotonic()
        if session.testsfailed or not session.items or not _passed(_started(session.items, self._same, 0)):
            return None
        self.sound = True
        limit_seconds = round(LEAST_SECONDS + SLOWER * (time.monotonic() - started))
        running: dict[int, str] = {}
        for mutant in self._wanted:
            if len(running) >= self._processes:
                self._wait(running)
            running[_started(session.items, [mutant], limit_seconds)] = mutant.name
        while running:
            self._wait(running)
        return True

    def _wait(self, running: dict[int, str]) -> None:
        ended, status = os.wait()
        name = running.pop(ended)
        if os.waitstatus_to_exitcode(status) == 0:
            self.survived.append(name)


def _started(items: Sequence[pytest.Item], changes: Sequence[Mutant], limit_seconds: int) -> int:
    """Return the id of a process that ends with 0 when all tests pass."""
    child = os.fork()
    if child:
        return child
    signal.alarm(limit_seconds)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    code = 1
    try:
        for mutant in changes:
            _change(mutant)
        code = int(not _all_pass(items))
    finally:
        os._exit(code)


def _passed(child: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _all_pass(items: Sequence[pytest.Item]) -> bool:
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if item.session.testsfailed:
            return False
    return True


def _change(mutant: Mutant) -> None:
    """Give the function its new code, wherever it was imported to."""
    changed: dict[str, Any] = {"__name__": mutant.module}
    exec(compile(mutant.tree, mutant.module, "exec"), changed)  # noqa: S102
    original, new = vars(importlib.import_module(mutant.module)), changed
    for name in mutant.function.split("."):
        original, new = _member(original, name), _member(new, name)
    for part in ("__code__", "__defaults__", "__kwdefaults__"):
        setattr(original, part, getattr(new, part))


def _member(of: Any, name: str) -> Any:
    found = of[name] if isinstance(of, dict) else vars(of)[name]
    return getattr(found, "__wrapped__", found)
