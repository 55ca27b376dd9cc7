"""The commands of docs/frontend.md, run one after the other as a reader would."""

import os
import re
import subprocess
from pathlib import Path

from tests.journey.conftest import Running, running

__all__ = ["running"]

GUIDE = Path(__file__).parents[2] / "docs" / "frontend.md"
SECONDS = 120


def commands() -> str:
    """Every command of the page, in its order."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.M | re.S))


def test_the_commands_of_the_page_do_what_it_says(running: Running, tmp_path: Path) -> None:
    hana = next(each for each in running.state["customers"] if each["portal"] and each["has_payment_method"])
    given = {"API": running.state["api_url"], "EMAIL": hana["email"], "PASSWORD": hana["password"]}
    done = subprocess.run(
        ["/bin/bash", "-euxo", "pipefail", "-c", commands()],
        cwd=tmp_path,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
