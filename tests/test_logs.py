"""Log lines: one JSON object a line whatever is written, with its time in UTC, and no secret in it."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

WRITE = """
import structlog
from app import logs
from app.settings import load
import logging, msgspec
from app.settings import Settings
names = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
logs.configure(load(dict.fromkeys(names, "x" * 32)))
log = structlog.get_logger()
structlog.contextvars.bind_contextvars(request_id="abc")
log.info("tried", name='a\\n{"event": 1}\\r\\n\\x1b[31m\\u2028', password="hidden", url="/x?access_token=hidden")
try:
    raise ValueError("no\\nthing")
except ValueError:
    log.exception("failed", authorization="Bearer hidden")
logging.getLogger("library").warning("two\\nlines")
"""


def written() -> tuple[str, list[dict[str, Any]]]:
    done = subprocess.run([sys.executable, "-c", WRITE], capture_output=True, text=True, timeout=60, check=True)
    return done.stderr, [json.loads(line) for line in done.stderr.splitlines()]


def test_a_value_cannot_begin_a_line_of_its_own_and_no_secret_is_written() -> None:
    text, lines = written()
    assert [line["event"] for line in lines] == ["tried", "failed", "two\nlines"]
    assert "hidden" not in text
    assert "\x1b" not in text
    assert "ValueError" in lines[1]["exception"]


def test_every_line_says_when_in_utc_how_bad_and_during_which_request() -> None:
    _, lines = written()
    for line in lines:
        at = datetime.fromisoformat(line["timestamp"])
        assert at.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)
        assert line["level"]
    assert lines[0]["request_id"] == lines[1]["request_id"] == "abc"
