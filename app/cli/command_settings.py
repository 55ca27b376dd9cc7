"""Loading of settings for a command, with one sentence and an exit status if they are unusable."""

import json
import os
import sys
from collections.abc import Mapping

import click

from app import logs, settings
from app.cli.stack.environment import beside_sandbox
from app.cli.stack.up import home
from app.settings import Settings, SettingsError


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Load the settings and configure logging, or print one sentence and exit with status 2."""
    try:
        loaded = settings.load(environ)
    except SettingsError as error:
        click.echo(f"portal: {error}", err=True)
        sys.exit(2)
    logs.configure(loaded)
    return loaded


def load_operator_settings() -> Settings:
    """Load the settings of an operator's command.

    Without DATABASE_URL, these are the settings of the stack that `portal up` runs in this folder.
    """
    return load_settings(_of_running_stack())


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
        "PUBLIC_URL": os.environ.get("PUBLIC_URL", state["api_url"]),
        "LOG_FORMAT": os.environ.get("LOG_FORMAT", "console"),
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "warning"),
    }
    return beside_sandbox(state, own) if "salesforce" in state else own
