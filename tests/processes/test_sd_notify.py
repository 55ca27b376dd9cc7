"""The supervisor is notified, and one that reads nothing blocks no process."""

import socket
import subprocess
import sys
from pathlib import Path

HEARTBEATS = """
from app.processes import sd_notify
sd_notify.notify(sd_notify.READY)
for _ in range(5_000):
    sd_notify.heartbeat()
"""


def test_a_supervisor_that_reads_nothing_holds_nobody_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "PYTHONPATH": str(Path.cwd())}
        argv = [sys.executable, "-c", HEARTBEATS]
        assert subprocess.run(argv, env=environment, timeout=120, check=False).returncode == 0
        assert supervisor.recv(100) == b"READY=1"
        assert supervisor.recv(100) == b"WATCHDOG=1"
