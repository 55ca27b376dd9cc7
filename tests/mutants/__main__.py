"""`make mutants`: mutate the pure cores and run their tests; at least 95 of 100 mutants must be noticed.

Each mutant runs in a process forked from one that has imported the libraries already. Survivors are printed; those that
behave as the original does are listed in `cores.py` with a reason.
"""

import argparse
import ast
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutants.cores import CORES, Core
from tests.mutants.mutate import Mutant, mutants

WANTED = 0.95
LONGEST_SECONDS = 120
OPTIONS = (
    *("-x", "-q", "--no-header", "--noconftest", "-p", "no:cacheprovider", "-p", "no:xdist"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # of the libraries imported before the fork
)
LIBRARIES = ("asyncpg", "litestar", "msgspec", "httpx", "redis.asyncio", "saq", "simple_salesforce")


class _Mutated(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    """Finds one module in its changed form."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self._name, self._path, self._tree = name, path, tree

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        return importlib.util.spec_from_loader(name, self, origin=str(self._path))

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(self._path)
        exec(compile(self._tree, str(self._path), "exec"), module.__dict__)  # noqa: S102


def survives(core: Core, tree: ast.Module) -> bool:
    """Whether the core's tests pass with this tree in the module's place."""
    child = os.fork()
    if child:
        return _exit_code(child) == 0
    _silence()
    signal.alarm(LONGEST_SECONDS)
    name = core.path.removesuffix(".py").replace("/", ".")
    sys.meta_path.insert(0, _Mutated(name, Path(core.path), tree))
    code = 1
    with contextlib.suppress(BaseException):
        code = int(pytest.main([*OPTIONS, *core.tests]))
    os._exit(code)


def _exit_code(child: int) -> int:
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def check(name: str, core: Core, pool: ThreadPoolExecutor) -> bool:
    """Mutate one core; print what survived and whether that is few enough."""
    started = time.monotonic()
    source = Path(core.path).read_text()
    if not survives(core, ast.parse(source)):
        print(f"{name}: the tests fail without any change: {' '.join(core.tests)}")
        return False
    excused = dict(core.equivalent)
    made: list[Mutant] = [each for each in mutants(source, core.only) if each[0] not in excused]
    outcomes = list(pool.map(lambda each: survives(core, each[1]), made))
    left = [what for (what, _), survived in zip(made, outcomes, strict=True) if survived]
    killed = len(made) - len(left)
    share = killed / len(made) if made else 0.0
    seconds = time.monotonic() - started
    print(f"{name}: {killed} of {len(made)} noticed ({share:.0%}), {len(excused)} equivalent, {seconds:.0f} s")
    for what in left:
        print(f"    survived  {what}")
    return share >= WANTED


def main() -> int:
    """Run; the exit status says whether every core holds."""
    parser = argparse.ArgumentParser(prog="make mutants", description="Mutation tests of the pure cores.")
    parser.add_argument("cores", nargs="*", metavar="CORE", help=f"one of: {', '.join(CORES)}; all when absent")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.cores if name not in CORES]:
        parser.error(f"there is no core {', '.join(unknown)}")
    for library in LIBRARIES:
        importlib.import_module(library)
    with ThreadPoolExecutor(chosen.processes) as pool:
        held = [check(name, CORES[name], pool) for name in chosen.cores or CORES]
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())
