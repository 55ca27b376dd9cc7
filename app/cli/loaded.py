"""Settings for a command, or one sentence that says what is wrong with them."""

import json
import os
import sys
from collections.abc import Mapping

import click

from app import logs, settings
from app.cli.environment import beside_sandbox
from app.cli.up import home
from app.settings import Settings, SettingsError


def load_settings() -> Settings:
    """The settings, or one clear sentence and exit status 2. Logs go to stderr from here on.

    Without DATABASE_URL they are those of the stack that `portal up` runs in this folder, if there is one.
    """
    try:
        loaded = settings.load(_of_running_stack() or os.environ)
    except SettingsError as error:
        click.echo(f"portal: {error}", err=True)
        sys.exit(2)
    logs.configure(loaded)
    return loaded


def _of_running_stack() -> Mapping[str, str] | None:
    state_file = home() / "state.json"
    if os.environ.get("DATABASE_URL") or not state_file.exists():
        return None
    state = json.loads(state_file.read_text())
    own = {
        **os.environ,
        "DATABASE_URL": state["database_url"],
        "REDIS_URL": state["redis_url"],
        "PORTAL_SECRET": (home() / "secret").read_text(),
        "LOG_FORMAT": os.environ.get("LOG_FORMAT", "console"),
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "warning"),
    }
    return beside_sandbox(state, own) if "salesforce" in state else own
