"""The frame of operators' commands: opens resources, reports failures in one sentence, names the operator."""

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from app.audit import Operator
from app.cli.command_settings import load_operator_settings
from app.db import is_outage
from app.errors import PortalError
from app.resources import Resources, open_resources

T = TypeVar("T")


def operate(work: Callable[[Resources], Awaitable[T]], *, pool_size: int = 4) -> T:
    """Return the result of `work`. A failure is one sentence on stderr and exit status 1; Ctrl-C is 130."""
    try:
        return asyncio.run(_operate(work, pool_size))
    except PortalError as error:
        click.echo(f"portal: {error.detail} ({error.code})", err=True)
    except KeyboardInterrupt:
        click.echo("portal: stopped; run the same command again to resume.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone
    except Exception as error:
        if not is_outage(error):
            raise
        click.echo(
            f"portal: Postgres cannot be reached: {error}. Start it and check DATABASE_URL; `portal up` starts one.",
            err=True,
        )
    sys.exit(1)


def operator() -> Operator:
    """Identify the operator for the audit log: the user of this machine."""
    return Operator(name=getpass.getuser())


async def _operate(work: Callable[[Resources], Awaitable[T]], pool_size: int) -> T:
    async with open_resources(load_operator_settings(), pool_size=pool_size) as resources:
        return await work(resources)
