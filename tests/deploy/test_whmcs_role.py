"""The API role that the administrator of WHMCS is asked for holds every action that the portal calls."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CALLED = re.compile(r'(?:call|rows)\(\s*"([A-Z][A-Za-z]+)"|action = "([A-Z][A-Za-z]+)"')


def test_every_action_that_is_called_is_among_those_to_be_allowed() -> None:
    sources = (ROOT / "app" / "integrations" / "whmcs").glob("*.py")
    called = {name for source in sources for pair in CALLED.findall(source.read_text()) for name in pair if name}
    readme = (ROOT / "deploy" / "whmcs" / "README.md").read_text()
    told = set(re.findall(r"`([A-Z][A-Za-z]+)`", readme.split("It needs these actions:")[1].split("\n\n")[0]))
    assert len(called) > 15
    assert called - told == set()
