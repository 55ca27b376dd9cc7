"""Keeping a stack running until it is told to stop."""

import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from app.cli.stack.embedded import EngineError
from app.cli.stack.up import Stack, UpError, home, only_one
from app.errors import TransactionPooler
from app.settings import SettingsError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_until_stopped(state_file: Path | None, *, sandbox: bool, strict: bool = False) -> None:
    """Run `portal up`: start, report, wait for Ctrl-C or SIGTERM, stop."""
    stack = Stack(say, sandbox=sandbox, strict=strict)
    with explained(), held(stack):
        state = stack.start(state_file)
        click.echo(ready_text(state, state_file or home() / "state.json") + what_to_try(state))
        wait_until_stopped()


@contextlib.contextmanager
def held(stack: Stack) -> Iterator[None]:
    """Stop the stack however the block ends; Ctrl-C and SIGTERM end it quietly at any point.

    Raises:
        UpError: another stack runs in the same folder.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)
    with only_one(home()):
        try:
            yield
        except KeyboardInterrupt:
            say("stopping")
        finally:
            for number in STOP_SIGNALS:  # a second signal must not leave half of it running
                signal.signal(number, lambda *_: None)
            stack.stop()


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Report what prevents a start in one sentence, and exit: status 2 for settings, 1 for the rest."""
    try:
        yield
    except TransactionPooler as error:
        click.echo(f"portal: {error.detail}", err=True)
        sys.exit(1)
    except (UpError, EngineError, SettingsError) as error:
        click.echo(f"portal: {error}", err=True)
        sys.exit(2 if isinstance(error, SettingsError) else 1)


def wait_until_stopped() -> None:
    """Wait for Ctrl-C or SIGTERM.

    Raises:
        KeyboardInterrupt: always.
    """
    while True:
        signal.pause()


def say(line: str) -> None:
    """Print one line of progress on stderr."""
    click.echo(f"  · {line}", err=True)


def _sample_customers(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in state.get("customers", []) if each.get("portal") and each.get("has_payment_method")]


def _sample_logins(state: dict[str, Any]) -> list[str]:
    """Compose the lines with a customer and a member of staff to log in as."""
    people = [("customer", each) for each in _sample_customers(state)[:1]] + [("staff", state["staff"])] * (
        "staff" in state
    )
    return [f"                    {role:<8} {each['email']}  password: {each['password']}" for role, each in people]


def what_to_try(state: dict[str, Any]) -> str:
    """Compose first steps, where there are people to take them as."""
    if not (people := _sample_customers(state)):
        return ""
    api, body = state["api_url"], json.dumps({name: people[0][name] for name in ("email", "password")})
    lines = [
        *("", ""),
        "Try next:",
        f"  curl {api}/api/auth/login -H 'content-type: application/json' -d '{body}'",
        "  place an order (POST /api/orders), approve it on the sandbox's page, and see it become active",
        "  follow GET /api/events while the customer pays an invoice there",
        "  take a system away there: every query still answers; docs/frontend.md has the rest",
    ]
    return "\n".join(lines)


def ready_text(state: dict[str, Any], state_file: Path) -> str:
    """Compose the addresses and files to show once everything runs."""
    lines = [
        "",
        f"The portal is up.   API      {state['api_url']}",
        f"                    docs     {state['api_url']}/schema",
    ]
    if "control_url" in state:
        lines.append(f"                    sandbox  {state['control_url']} (play staff: approve, pay, move the clock)")
        lines.append(f"                    mailbox  {state['control_url']}/mail/ (every mail that the portal sends)")
        lines += _sample_logins(state)
    lines += [
        f"                    state    {state_file} (URLs, credentials, sample customers)",
        "",
        "Ctrl-C stops it.",
    ]
    return "\n".join(lines)
