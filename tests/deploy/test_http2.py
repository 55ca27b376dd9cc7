"""The proxy of the compose file speaks HTTP/2 with browsers, and HTTP/1.1 with `portal api`."""

import contextlib
import os
import shutil
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.cli.stack.embedded import free_port
from tests.deploy.conftest import ROOT
from tests.deploy.test_api_restarts import environment
from tests.fixtures.restarts import Process
from tests.integrations.salesforce.certificates import self_signed

__all__ = ["environment"]

CURL = shutil.which("curl") or ""
REQUESTS = 200


@pytest.fixture
def front(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An API behind the proxy: its address and the certificate to trust."""
    haproxy = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if haproxy is None:
        pytest.skip("haproxy is not installed: `apt-get install haproxy` to try the compose file's proxy")
    port, address = free_port(), f"127.0.0.1:{free_port()}"
    certificate, key = self_signed(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    told = {"PROXY_ADDRESS": address, "PROXY_CERTIFICATE": str(both)}
    told |= dict.fromkeys(("API_A", "API_B"), f"127.0.0.1:{port}")
    argv = [haproxy, "-db", "-f", str(ROOT / "deploy" / "compose" / "haproxy.cfg")]
    with Process("api", environment | {"API_PORT": str(port), "API_DRAIN_SECONDS": "0"}, tmp_path) as api:
        api.until_ready()
        proxy = subprocess.Popen(argv, env=os.environ | told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _until_it_answers(f"https://{address}", certificate)
            yield f"https://{address}", certificate
        finally:
            proxy.terminate()
            proxy.wait(10)


def _until_it_answers(url: str, certificate: Path) -> None:
    trust = ssl.create_default_context(cafile=str(certificate))
    for _ in range(200):
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/api/health/ready", verify=trust, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the proxy did not find the API")


def curl(certificate: Path, *arguments: str) -> str:
    argv = [CURL, "--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "--cacert", str(certificate)]
    return subprocess.run([*argv, *arguments], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("option", "version"), [("--http2", "2"), ("--http1.1", "1.1")])
def test_requests_of_one_browser_share_a_connection(front: tuple[str, Path], option: str, version: str) -> None:
    if "HTTP2" not in curl(front[1], "--version"):
        pytest.skip("this curl does not speak HTTP/2")
    url, certificate = front
    several = f"{url}/api/health/live#[1-{REQUESTS}]"
    shown = "%{http_version} %{http_code} %{num_connects}\n"
    told = curl(certificate, option, "--parallel", "--parallel-max", "50", "-o", os.devnull, "-w", shown, several)
    lines = [line.split() for line in told.splitlines()]
    assert Counter((found, status) for found, status, _ in lines) == {(version, "200"): REQUESTS}
    opened = sum(int(count) for *_, count in lines)
    assert opened == 1 if version == "2" else opened > 1
