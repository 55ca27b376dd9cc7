"""Ports that a restarted sandbox comes back on."""

import threading
from pathlib import Path

from sandbox.sockets import Ports


def test_a_port_that_an_earlier_life_still_holds_is_waited_for(tmp_path: Path) -> None:
    earlier = Ports(tmp_path / "ports.json")
    held = earlier.listening("whmcs")
    port = held.getsockname()[1]
    earlier.save()
    threading.Timer(0.5, held.close).start()
    with Ports(tmp_path / "ports.json").listening("whmcs") as again:
        assert again.getsockname()[1] == port


def test_a_port_that_somebody_else_keeps_is_given_up(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("sandbox.sockets.PATIENCE_SECONDS", 0.2)
    earlier = Ports(tmp_path / "ports.json")
    with earlier.listening("whmcs") as held:
        earlier.save()
        with Ports(tmp_path / "ports.json").listening("whmcs") as other:
            assert other.getsockname()[1] != held.getsockname()[1]
