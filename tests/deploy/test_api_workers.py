"""The processes of `portal api`: a worker that dies is replaced, and none is left behind."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from app.cli.stack.embedded import free_port
from tests.deploy.test_api_restarts import environment
from tests.fixtures.restarts import Process

__all__ = ["environment"]


def until(true: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)
    return found


@pytest.fixture
def api(environment: dict[str, str], tmp_path: Path) -> Iterator[Process]:
    """With two workers."""
    port = free_port()
    own = environment | {"API_PORT": str(port), "API_WORKERS": "2", "API_DRAIN_SECONDS": "0.2"}
    with Process("api", own, tmp_path) as process:
        process.port = port  # type: ignore[attr-defined]
        process.until_ready()
        yield process


def workers(api: Process) -> list[Any]:
    return psutil.Process(api.process.pid).children()


def answers(api: Process) -> bool:
    try:
        url = f"http://127.0.0.1:{api.port}/api/health/live"  # type: ignore[attr-defined]
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_worker_that_dies_is_replaced_and_the_others_serve_meanwhile(api: Process) -> None:
    first = until(lambda: len(found := workers(api)) == 2 and found)
    first[0].kill()
    assert all(until(lambda: answers(api)) for _ in range(20))
    until(lambda: len(workers(api)) == 2 and first[0] not in workers(api))
    assert first[1] in workers(api)
    for each in workers(api):
        each.kill()
    until(lambda: answers(api))
    assert api.stop() < 15


def test_workers_end_with_a_parent_that_is_killed(api: Process) -> None:
    left = workers(api)
    api.process.send_signal(signal.SIGKILL)
    api.process.wait()
    _, alive = psutil.wait_procs(left, timeout=120)
    assert alive == []
    assert not answers(api)


def test_a_parent_that_is_killed_leaves_its_address_to_the_next_at_once(
    environment: dict[str, str], tmp_path: Path
) -> None:
    address = ("127.0.0.1", free_port())
    own = environment | {"API_PORT": str(address[1]), "API_DRAIN_SECONDS": "20"}

    def is_free() -> bool:
        with contextlib.suppress(OSError), socket.create_server(address):
            return True
        return False

    with Process("api", own, tmp_path) as first:
        first.until_ready()
        left = psutil.Process(first.process.pid).children()
        first.process.kill()
        first.process.wait()
        until(is_free, seconds=3)
        with Process("api", own, tmp_path) as second:
            second.until_ready()
        assert psutil.wait_procs(left, timeout=15)[1] == []


def test_a_server_that_cannot_start_says_so_and_ends(environment: dict[str, str], tmp_path: Path) -> None:
    own = environment | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing", "API_PORT": "0"}
    with Process("api", own, tmp_path) as process:
        assert process.process.wait(60) == 1
        assert "Connect" in process.log.read_text()


def test_both_signals_and_more_than_one_end_it_in_order(api: Process) -> None:
    os.kill(api.process.pid, signal.SIGINT)
    for each in workers(api):
        each.send_signal(signal.SIGINT)
    assert api.stop() < 15


def test_a_server_whose_proxies_cannot_be_read_says_so_and_does_not_start(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with Process("api", environment | {"TRUSTED_PROXIES": "172.30.7.1/24", "API_PORT": "0"}, tmp_path) as process:
        assert process.process.wait(60) == 2
        assert "portal: TRUSTED_PROXIES cannot be used: 172.30.7.1/24 has host bits set" in process.log.read_text()
