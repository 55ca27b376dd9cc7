"""Children: restarted, stopped in reverse, never left behind."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.cli.stack.processes import FIRST_BACKOFF_SECONDS, Spec, Supervisor

PATIENCE_SECONDS = 90


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor(said.append)
    yield supervisor
    supervisor.stop()


def shell(name: str, script: str, folder: Path) -> Spec:
    return Spec(name, ("/bin/sh", "-c", script), dict(os.environ), folder / f"{name}.log")


def test_a_child_that_dies_is_started_again_and_that_is_said(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    child = supervisor.start(shell("sleeper", "exec sleep 60", tmp_path))
    supervisor.watch()
    first = child.process.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: child.restarts == 1 and runs(child.process.pid))
    assert supervisor.pids() == {"sleeper": child.process.pid}
    assert child.process.pid != first
    assert said == [f"sleeper ended (signal 9); starting it again, see {tmp_path / 'sleeper.log'}"]


def test_a_child_that_keeps_dying_is_started_ever_later(supervisor: Supervisor, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    supervisor.start(shell("hopeless", f"date +%s.%N >> {starts}; exit 3", tmp_path))
    supervisor.watch()
    until(lambda: starts.exists() and len(starts.read_text().split()) >= 5)
    at = [float(line) for line in starts.read_text().split()]
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    for turn, pause in enumerate(pauses):  # a busy machine makes a pause longer, never shorter
        assert pause > FIRST_BACKOFF_SECONDS * 2**turn * 0.9, pauses


def test_a_child_that_keeps_dying_does_not_hold_up_the_others(supervisor: Supervisor, tmp_path: Path) -> None:
    hopeless = supervisor.start(shell("hopeless", "exit 3", tmp_path))
    sleeper = supervisor.start(shell("sleeper", "exec sleep 60", tmp_path))
    supervisor.watch()
    until(lambda: hopeless.restarts >= 3)
    os.kill(sleeper.process.pid, signal.SIGKILL)
    tried = hopeless.restarts
    until(lambda: sleeper.restarts == 1)
    assert hopeless.restarts <= tried + 1


def test_what_a_dead_child_left_behind_ends_before_it_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    grandchild = tmp_path / "grandchild"
    child = supervisor.start(shell("parent", f"sleep 60 & echo $! > {grandchild}; wait", tmp_path))
    until(lambda: grandchild.exists() and bool(grandchild.read_text().strip()))
    left = int(grandchild.read_text())
    supervisor.watch()
    os.kill(child.process.pid, signal.SIGKILL)
    until(lambda: child.restarts == 1)
    until(lambda: not runs(left))


def test_children_are_stopped_in_reverse_even_those_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    script = "trap 'echo {name} >> {order}; exit 0' TERM; touch {folder}/{name}.$$; while true; do sleep 0.05; done"
    children = [
        supervisor.start(shell(name, script.format(name=name, order=order, folder=tmp_path), tmp_path))
        for name in ("first", "second", "third")
    ]
    supervisor.watch()
    until(lambda: all((tmp_path / f"{each.spec.name}.{each.process.pid}").exists() for each in children))
    os.kill(children[0].process.pid, signal.SIGKILL)
    until(lambda: children[0].restarts == 1)
    until(lambda: (tmp_path / f"first.{children[0].process.pid}").exists())
    supervisor.stop()
    assert order.read_text().split() == ["third", "second", "first"]


def test_a_supervisor_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path; from app.cli.stack.processes import Spec, Supervisor\n"
        "supervisor = Supervisor(print); folder = Path(sys.argv[1])\n"
        "argv = ('/bin/sleep', '60')\n"
        "child = supervisor.start(Spec('sleeper', argv, dict(os.environ), folder / 'log'))\n"
        "supervisor.watch(); child.process.kill()\n"
        "while child.restarts == 0: time.sleep(0.02)\n"
        "other = supervisor.start(Spec('other', argv, dict(os.environ), folder / 'log'))\n"
        "print(child.process.pid, other.process.pid, flush=True); time.sleep(60)\n"
    )
    argv = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        line = process.stdout.readline()
        while "ended" in line:
            line = process.stdout.readline()
        pids = [int(pid) for pid in line.split()]
        assert len(pids) == 2
        assert all(runs(pid) for pid in pids)
        process.kill()
    until(lambda: not any(runs(pid) for pid in pids))


FORKED = """
import os, sys, time
from pathlib import Path
from app.cli.stack.processes import Spec, Supervisor

os.register_at_fork(after_in_child=lambda: time.sleep(3600))  # as a library whose lock a thread held at the fork
supervisor = Supervisor(print)
child = supervisor.start(Spec("echo", ("/bin/echo", "became"), dict(os.environ), Path(sys.argv[1])))
child.process.wait(60)
"""


def test_a_child_becomes_its_program_whatever_is_held_when_it_is_made(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKED, str(tmp_path / "log")], check=True, timeout=PATIENCE_SECONDS)
    assert (tmp_path / "log").read_text() == "became\n"


def test_a_program_that_is_not_there_is_named_in_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start(Spec("absent", ("/no/such/program",), dict(os.environ), tmp_path / "log"))
    assert child.process.wait(PATIENCE_SECONDS) == 1
    assert (tmp_path / "log").read_text() == "/no/such/program cannot be started: No such file or directory\n"
