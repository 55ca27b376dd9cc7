"""One run of dunning's jobs in a process of its own, for tests that kill it at any instant.

Reads settings and the instant from the standard input; prints a line once it has begun, and one when it is done.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any, Self

import msgspec

from app.commands.dunning.follow import follow
from app.commands.dunning.shown.announce import announce_due
from app.commands.providers import follow as providers
from app.errors import PortalError
from app.processes import chores, dunning
from app.processes.clock.job import Postponed, Unit
from app.resources import Resources, open_resources
from app.settings import Settings


class Errand(msgspec.Struct):
    """What the process is told: the settings that differ from their defaults, and the instant."""

    changed: dict[str, Any]
    at: datetime

    @classmethod
    def of(cls, settings: Settings, at: datetime) -> Self:
        """Return what a process of these settings is told."""
        fields = msgspec.structs.fields(Settings)
        found = {each.name: getattr(settings, each.name) for each in fields}
        return cls({each.name: found[each.name] for each in fields if found[each.name] != each.default}, at)

    @property
    def settings(self) -> Settings:
        """The settings, as they were."""
        return msgspec.convert(self.changed, Settings)


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
        await announce_due(resources.context, errand.at)
        await providers.follow(resources.context)
    _say("done")


if __name__ == "__main__":
    asyncio.run(main())
