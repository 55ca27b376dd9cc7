"""The committed Pub/Sub messages are what the committed proto generates."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["pubsub_api_pb2.py", "pubsub_api_pb2.pyi"])
def test_regenerating_the_stubs_changes_nothing(tmp_path, name):
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}", f"--python_out={tmp_path}"]
    command += [f"--pyi_out={tmp_path}", "eventbus/pubsub_api.proto"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    assert (tmp_path / "eventbus" / name).read_text() == (ROOT / "eventbus" / name).read_text()
