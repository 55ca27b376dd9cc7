"""One run of dunning's jobs in a process of its own, for tests that kill it at any instant.

Reads settings and the instant from the standard input; prints a line once it has begun, and one when it is done.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime

import msgspec

from app.commands.dunning.follow import follow
from app.errors import PortalError
from app.processes import chores, dunning
from app.processes.clock.job import Postponed, Unit
from app.resources import Resources, open_resources
from app.settings import Settings


class Errand(msgspec.Struct):
    """What the process is told."""

    settings: Settings
    at: datetime


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def _do(job: Callable[..., AsyncGenerator[Unit, None]], resources: Resources, at: datetime) -> None:
    with contextlib.suppress(Postponed):
        async with aclosing(job(resources, at)) as units:
            async for unit in units:
                with contextlib.suppress(PortalError):
                    await unit.do()


async def main() -> None:
    """Run every job once, in the order in which they come."""
    errand = msgspec.json.decode(sys.stdin.buffer.readline(), type=Errand)
    async with open_resources(errand.settings) as resources:
        _say("begun")
        await chores.look_at_captures(resources)
        for job in (dunning.captures, dunning.suspension):
            await _do(job, resources, errand.at)
        await follow(resources.context, errand.at)
    _say("done")


if __name__ == "__main__":
    asyncio.run(main())
