"""Settings for a command, or one sentence that says what is wrong with them."""

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
    """The settings, or one clear sentence and exit status 2. Logs go to stderr from here on."""
    try:
        loaded = settings.load(environ)
    except SettingsError as error:
        click.echo(f"portal: {error}", err=True)
        sys.exit(2)
    logs.configure(loaded)
    return loaded


def load_operator_settings() -> Settings:
    """The same for a command that works on what runs; without DATABASE_URL on what `portal up` runs in this folder."""
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
