"""Settings for a command, or one sentence that says what is wrong with them."""

import sys

import click

from app import settings
from app.settings import Settings, SettingsError


def load_settings() -> Settings:
    """The settings, or one clear sentence and exit status 2."""
    try:
        return settings.load()
    except SettingsError as error:
        click.echo(f"portal: {error}", err=True)
        sys.exit(2)
