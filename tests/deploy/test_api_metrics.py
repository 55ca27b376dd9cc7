"""`/metrics` of several processes behind one address: all report the same, and no counter falls."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.test_api_restarts import environment as plain
from tests.deploy.test_api_restarts import listening, start, type_of_start
from tests.deploy.test_api_workers import api, until, workers
from tests.fixtures.restarts import Process

__all__ = ["api", "listening", "plain", "start"]

ROUTE = "/api/public/services/{category}"


@pytest.fixture
def environment(plain: dict[str, str]) -> dict[str, str]:
    """Without a limit that these tests would reach."""
    return plain | {"PUBLIC_RATE_PER_MINUTE": "100000"}


def asked(port: int) -> float:
    """Return the number of requests, as the process that answers reports it."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30, trust_env=False).raise_for_status().text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    of_route = [each for each in samples if each.labels.get("route") == ROUTE]
    return sum(each.value for each in of_route if each.name == "portal_http_requests_total")


def ask(port: int, count: int) -> None:
    """So many requests, each over a connection of its own."""
    for _ in range(count):
        httpx.get(f"http://127.0.0.1:{port}/api/public/services/nothing", timeout=30, trust_env=False)


def test_the_workers_of_one_parent_report_the_same_metrics(api: Process) -> None:
    port: Any = api.port  # type: ignore[attr-defined]
    ask(port, 40)
    until(lambda: asked(port) == 40, seconds=20)
    assert {asked(port) for _ in range(15)} == {40}
    psutil.Process(workers(api)[0].pid).kill()
    until(lambda: len(workers(api)) == 2)
    time.sleep(1)
    ask(port, 10)
    until(lambda: asked(port) == 50, seconds=20)
    assert {asked(port) for _ in range(15)} == {50}


async def test_servers_that_share_a_socket_report_the_same_metrics_and_the_next_continues_them(
    environment: dict[str, str], listening: Any, tmp_path: Path, start: type_of_start
) -> None:
    own = environment | {"METRICS_DIR": str(tmp_path / "counts"), "API_DRAIN_SECONDS": "0.2"}
    port = listening.getsockname()[1]
    one, other = await start(own, listening), await start(own, listening)
    await asyncio.to_thread(ask, port, 40)
    await asyncio.to_thread(until, lambda: asked(port) == 40, 20)
    assert {await asyncio.to_thread(asked, port) for _ in range(15)} == {40}
    await asyncio.to_thread(one.stop)
    assert await asyncio.to_thread(asked, port) == 40
    third = await start(own, listening)
    await asyncio.to_thread(other.stop)
    await asyncio.to_thread(ask, port, 5)
    await asyncio.to_thread(until, lambda: asked(port) == 45, 20)
    await asyncio.to_thread(third.stop)
