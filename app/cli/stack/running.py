"""Keep a stack running until somebody says stop."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from app.cli.stack.embedded import EngineError
from app.cli.stack.up import Stack, UpError, home, only_one
from app.errors import TransactionPooler
from app.settings import SettingsError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_until_stopped(state_file: Path | None, *, sandbox: bool) -> None:
    """`portal up`: start, say so, wait for Ctrl-C or SIGTERM, stop."""
    stack = Stack(say, sandbox=sandbox)
    with explained(), held(stack):
        state = stack.start(state_file)
        click.echo(ready_text(state, state_file or home() / "state.json"))
        wait_until_stopped()


@contextlib.contextmanager
def held(stack: Stack) -> Iterator[None]:
    """Stop the stack however the block ends; Ctrl-C and SIGTERM end it at any point, and quietly.

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
            for number in STOP_SIGNALS:  # asking twice must not leave half of it running
                signal.signal(number, lambda *_: None)
            stack.stop()


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """What keeps a stack from starting is one sentence and an exit status: 2 for settings, 1 for the rest."""
    try:
        yield
    except TransactionPooler as error:
        click.echo(f"portal: {error.detail}", err=True)
        sys.exit(1)
    except (UpError, EngineError, SettingsError) as error:
        click.echo(f"portal: {error}", err=True)
        sys.exit(2 if isinstance(error, SettingsError) else 1)


def wait_until_stopped() -> None:
    """Until Ctrl-C or SIGTERM.

    Raises:
        KeyboardInterrupt: always.
    """
    while True:
        signal.pause()


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
