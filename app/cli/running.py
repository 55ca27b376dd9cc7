"""Keep a stack running until somebody says stop."""

import signal
import sys
import threading
from pathlib import Path

import click

from app.cli.embedded import EngineError
from app.cli.up import Stack, UpError, home, only_one
from app.settings import SettingsError


def run_until_stopped(state_file: Path | None, *, sandbox: bool) -> None:
    """`portal up`: start, say so, wait for Ctrl-C or SIGTERM, stop."""
    stopped = stop_signals()
    stack = Stack(say, sandbox=sandbox)
    try:
        with only_one(home()):
            try:
                state = stack.start(state_file)
                click.echo(ready_text(state, state_file or home() / "state.json"))
                stopped.wait()
                say("stopping")
            finally:
                stack.stop()
    except (UpError, EngineError, SettingsError) as error:
        click.echo(f"portal: {error}", err=True)
        sys.exit(1)


def stop_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def say(line: str) -> None:
    """One line of progress, on stderr."""
    click.echo(f"  · {line}", err=True)


def ready_text(state: dict[str, object], state_file: Path) -> str:
    """What a person wants to know once everything runs."""
    lines = [
        "",
        f"The portal is up.   API      {state['api_url']}",
        f"                    docs     {state['api_url']}/schema",
    ]
    if "control_url" in state:
        lines.append(f"                    sandbox  {state['control_url']} (control surface)")
    lines += [
        f"                    state    {state_file} (URLs, credentials, sample customers)",
        "",
        "Ctrl-C stops it.",
    ]
    return "\n".join(lines)
