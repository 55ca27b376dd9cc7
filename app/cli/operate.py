"""Run an operator's command: everything opened, failures said in one sentence, whoever runs it named."""

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from app.audit import Operator
from app.cli.settings_or_exit import load_operator_settings
from app.db import is_outage
from app.errors import PortalError
from app.resources import Resources, open_resources

T = TypeVar("T")


def operate(work: Callable[[Resources], Awaitable[T]], *, pool_size: int = 4) -> T:
    """The result of `work`. What goes wrong is one sentence on stderr and exit status 1; Ctrl-C is 130."""
    try:
        return asyncio.run(_operate(work, pool_size))
    except PortalError as error:
        click.echo(f"portal: {error.detail} ({error.code})", err=True)
    except KeyboardInterrupt:
        click.echo("portal: stopped; the same command goes on where this was.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; nobody is left to tell
    except Exception as error:
        if not is_outage(error):
            raise
        click.echo(f"portal: Postgres cannot be reached: {error}. Is it up? `portal up` starts one.", err=True)
    sys.exit(1)


def operator() -> Operator:
    """Who decides, for the audit log: the user of this machine."""
    return Operator(name=getpass.getuser())


async def _operate(work: Callable[[Resources], Awaitable[T]], pool_size: int) -> T:
    async with open_resources(load_operator_settings(), pool_size=pool_size) as resources:
        return await work(resources)
