"""The files that run the processes name commands, settings and paths that exist, and their tools accept them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from app.cli import main
from app.processes.prefork import STOP_SECONDS
from app.processes.sd_notify import HEARTBEAT_FILE
from app.settings import Settings
from tests.deploy.conftest import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
SERVICES = [path for path in UNITS if path.suffix == ".service"]
PROCESSES = ("api", "worker", "cdc")
SETTINGS = {field.name.upper() for field in msgspec.structs.fields(Settings)}
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())


def test_the_procfile_starts_every_process():
    lines = dict(line.split(": ", 1) for line in (DEPLOY / "Procfile").read_text().splitlines())
    assert lines == {"release": "portal migrate", **{name: f"portal {name}" for name in PROCESSES}}
    assert {command.split()[1] for command in lines.values()} <= set(main.commands)


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_a_unit_starts_a_command_that_exists(path):
    text = path.read_text()
    (command,) = re.findall(r"^ExecStart=/opt/portal/\.venv/bin/portal (\w+)$", text, re.M)
    assert command in main.commands
    assert "KillMode=mixed" in text, "signals go to the main process alone"
    if command == "api":
        stop = int(re.findall(r"^TimeoutStopSec=(\d+)$", text, re.M)[0])
        assert stop > STOP_SECONDS + 5, "systemd must not kill what still answers"
    if command in PROCESSES:
        assert "Type=notify" in text
        assert "Restart=always" in text
        assert "StartLimitIntervalSec=0" in text, "a socket whose service failed too often would close"


def test_the_target_starts_two_of_each():
    text = (DEPLOY / "systemd" / "portal.target").read_text()
    for name in PROCESSES:
        assert re.findall(rf"portal-{name}@(\d)\.service", text) == ["1", "2"]


def test_systemd_accepts_the_units(tmp_path: Path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    for path in UNITS:
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/portal/.venv/bin/portal", "/bin/true"))
    shutil.copy(tmp_path / "portal-api@.service", tmp_path / "portal-api@1.service")
    ended = subprocess.run(
        [analyze, "verify", "--man=no", *(str(tmp_path / path.name) for path in UNITS)],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


def test_haproxy_accepts_its_configuration():
    haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if haproxy is None:
        pytest.skip("haproxy is not installed")
    text = (DEPLOY / "compose" / "haproxy.cfg").read_text()
    named = set(re.findall(r'"\$\{(\w+)\}"', text))
    assert named == set(COMPOSE["services"]["proxy"]["environment"])
    without_tls = text.replace(' ssl crt "${PROXY_CERTIFICATE}" alpn h2,http/1.1', "")
    ended = subprocess.run(
        [haproxy, "-c", "-f", "/dev/stdin"],
        input=without_tls,
        env={"PROXY_ADDRESS": "127.0.0.1:1", "API_A": "127.0.0.1:2", "API_B": "127.0.0.1:3"},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ended.returncode == 0, ended.stderr


def test_compose_runs_every_process_and_engine_with_a_health_check():
    services = COMPOSE["services"]
    assert set(services) == {"migrate", "api-a", "api-b", "worker", "cdc", "proxy", "postgres", "redis"}
    for name, service in services.items():
        if name != "migrate":
            assert service["healthcheck"]["test"][0] == "CMD", name
            assert service["restart"] == "unless-stopped"
    for name in ("worker", "cdc"):
        assert services[name]["command"] == ["portal", name]
        assert services[name]["environment"][HEARTBEAT_FILE] in services[name]["healthcheck"]["test"][-1]
        assert services[name]["deploy"]["replicas"]
    for name in ("api-a", "api-b"):
        assert services[name]["command"] == ["portal", "api"]
        assert int(services[name]["stop_grace_period"].removesuffix("s")) > STOP_SECONDS + 3
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_compose_sets_settings_that_exist():
    for name in ("migrate", "api-a", "worker", "cdc"):
        assert set(COMPOSE["services"][name]["environment"]) <= SETTINGS | {HEARTBEAT_FILE}


def test_every_health_check_in_python_is_python():
    for service in COMPOSE["services"].values():
        test = service.get("healthcheck", {}).get("test", [])
        if test[1:3] == ["python", "-c"]:
            compile(test[3], "healthcheck", "exec")


def test_the_image_copies_what_the_package_needs():
    text = (DEPLOY / "compose" / "Dockerfile").read_text()
    copied = {word for line in re.findall(r"^COPY (?!--)(.+) \S+$", text, re.M) for word in line.split()}
    assert all((ROOT / word).exists() for word in copied)
    wheel = re.findall(r"^packages = \[(.+)\]$", (ROOT / "pyproject.toml").read_text(), re.M)[0]
    assert set(re.findall(r'"(\w+)"', wheel)) <= copied


def test_every_guide_leads_somewhere():
    for guide in DEPLOY.rglob("README.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", guide.read_text()):
            assert (guide.parent / target).exists(), f"{guide} → {target}"
        named = set(re.findall(r"^\s*(?:\S+/)?portal ([a-z-]+)", guide.read_text(), re.M))
        assert named <= set(main.commands), guide
