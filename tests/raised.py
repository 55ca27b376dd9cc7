"""Which error codes were raised while the tests ran, and by which test first.

Heard where an error is made in this process, and where a problem of another process is received. What a generated
example raises does not count: the next run may not generate it.
"""

import os
import re
from collections.abc import Iterable
from functools import wraps
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import currently_in_test_context

from app.errors import PortalError

DOCUMENT = Path(__file__).parents[1] / "docs" / "errors.md"
RAISED: dict[str, str] = {}
"""Code → the first test that raised it."""


def documented() -> list[str]:
    """Every code of docs/errors.md."""
    return re.findall(r"^\| `([a-z_]+)` \|", DOCUMENT.read_text(), re.M)


def listen() -> None:
    """From now on."""
    _wrap_errors()
    for client in (httpx.Client, httpx.AsyncClient):
        _wrap_answers(client)


def is_whole(config: pytest.Config) -> bool:
    """Whether every test there is runs, and in this process, so that what was raised here is all that can be."""
    return not hasattr(config, "workerinput") and is_everything(config)


def is_everything(config: pytest.Config) -> bool:
    """Whether every test there is was asked for."""
    chosen = (
        config.option.keyword or config.option.markexpr or config.option.deselect or getattr(config.option, "lf", False)
    )
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen


def hand_over(config: pytest.Config) -> None:
    """A process of several tells the one that leads them what it heard."""
    config.workeroutput["raised"] = RAISED  # type: ignore[attr-defined]


def take_over(output: dict[str, Any]) -> None:
    """What one of several processes heard."""
    for code, test in output.get("raised", {}).items():
        RAISED.setdefault(code, test)


def missing() -> list[str]:
    """Documented codes that nobody heard."""
    return [code for code in documented() if code not in RAISED]


def last(items: list[pytest.Item], name: str) -> None:
    """Have one test run after all others."""
    items.sort(key=lambda item: item.name == name)


def _note(codes: Iterable[str]) -> None:
    if currently_in_test_context():
        return
    for code in codes:
        RAISED.setdefault(code, os.environ.get("PYTEST_CURRENT_TEST", ""))


def _wrap_errors() -> None:
    make = PortalError.__init__

    @wraps(make)
    def made(self: PortalError, *args: Any, **named: Any) -> None:
        make(self, *args, **named)
        _note([self.code, *(each.code for each in self.errors)])

    PortalError.__init__ = made  # type: ignore[method-assign]


def _wrap_answers(client: type[httpx.Client] | type[httpx.AsyncClient]) -> None:
    def heard(response: httpx.Response) -> httpx.Response:
        told = response.is_closed and response.content  # nothing in answer to HEAD
        if told and response.headers.get("content-type") == "application/problem+json":
            problem = response.json()
            _note([problem["code"], *(each["code"] for each in problem.get("errors", []))])
        return response

    send: Any = client.send

    if client is httpx.Client:

        @wraps(send)
        def sent(self: Any, *args: Any, **named: Any) -> httpx.Response:
            return heard(send(self, *args, **named))

        client.send = sent  # type: ignore[method-assign]
        return

    @wraps(send)
    async def sent_soon(self: Any, *args: Any, **named: Any) -> httpx.Response:
        return heard(await send(self, *args, **named))

    client.send = sent_soon  # type: ignore[method-assign,assignment]
