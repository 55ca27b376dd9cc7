"""`make mutants`: mutate the pure cores and run their tests; at least 95 of 100 mutants must be noticed.

The tests of a core are collected once. Each mutant then runs them in a forked process, in which the changed function
has got its new code, so that a mutant costs no more than its tests do. Survivors are printed; those that behave as the
original does are listed in `cores.py` with a reason.
"""

import argparse
import contextlib
import io
import os
import time
from pathlib import Path

import hypothesis
import pytest

from tests.mutants.cores import CORES, Core
from tests.mutants.mutate import all_mutants, unchanged
from tests.mutants.runs import Runs

WANTED = 0.95
OPTIONS = (
    *(
        "-q",
        "--no-header",
        "--noconftest",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-p",
        "tests.mutants.fixtures",
        "-s",
    ),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # of what the tool has imported already
)


def check(name: str, core: Core, processes: int) -> bool:
    """Mutate one core; print what survived and whether that is few enough."""
    started = time.monotonic()
    excused = dict(core.equivalent)
    made = all_mutants(core.paths, core.only)
    same = [each for path in core.paths for each in unchanged(Path(path))]
    runs = Runs(same, [each for each in made if each.name not in excused], processes)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        pytest.main([*OPTIONS, *core.tests], plugins=[runs])
    if not runs.sound:
        print(f"{name}: the tests fail without any change: {' '.join(core.tests)}\n{said.getvalue()}")
        return False
    wanted = len(made) - len(excused)
    killed = wanted - len(runs.survived)
    share = killed / wanted if wanted else 0.0
    seconds = time.monotonic() - started
    print(f"{name}: {killed} of {wanted} noticed ({share:.0%}), {len(excused)} equivalent, {seconds:.0f} s", flush=True)
    for what in runs.survived:
        print(f"    survived  {what}")
    gone = excused.keys() - {each.name for each in made}
    for what in sorted(gone):
        print(f"    listed as equivalent, but no mutant  {what}")
    return share >= WANTED and not gone


def main() -> int:
    """Run; the exit status says whether every core holds."""
    parser = argparse.ArgumentParser(prog="make mutants", description="Mutation tests of the pure cores.")
    parser.add_argument("cores", nargs="*", metavar="CORE", help=f"one of: {', '.join(CORES)}; all when absent")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.cores if name not in CORES]:
        parser.error(f"there is no core {', '.join(unknown)}")
    hypothesis.settings.register_profile(
        "mutants",
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],  # that it fails is enough to know
        database=None,
        derandomize=True,
        deadline=None,
    )
    hypothesis.settings.load_profile("mutants")
    held = [check(name, CORES[name], chosen.processes) for name in chosen.cores or CORES]
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())
