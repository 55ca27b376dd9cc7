"""The declaration of a clock job: when it runs, what it does, and what a dry run says."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Literal

from msgspec import Struct

from app.resources import Resources
from app.schedule.clock_jobs import Registration
from app.schedule.timing import Timing
from app.settings import BillingTask, Settings

Run = Callable[[Resources], Awaitable[str | None]]
"""Does the work of one run and returns a few words about it, if there is anything to say.

It raises `Postponed`, or an `UpstreamError`, if it should be tried again soon."""


class Postponed(Exception):
    """Something outside was away; the sentence says what. The job is tried again after a pause."""


class Unit(Struct, frozen=True):
    """One piece of work that moves money, such as the charge of one invoice. A dry run prints `what` and no more."""

    what: str
    do: Callable[[], Awaitable[None]]


class ClockJob(Struct, frozen=True):
    """A job by the clock. One of `run` and `units` is set, or neither where every process does it by itself.

    Attributes:
        name: also the name of its lock, so one process at a time runs it.
        run: the work of one run.
        units: yields the work of one run that moves money, piece by piece. The runner asks before each whether it may
            go on, so no such job can forget to.
        preview: what a run would do, in sentences, for a dry run. It changes nothing.
        most_seconds: a run that takes longer counts as hung and is cancelled.
        process: the command whose processes run it.
        moves_money: the emergency stop holds it.
        task: the task of billing that it automates; it runs only where a setting gives that task to the portal.
    """

    name: str
    when: Timing
    about: str
    run: Run | None = None
    units: Callable[[Resources], AsyncGenerator[Unit, None]] | None = None
    preview: Callable[[Resources], Awaitable[list[str]]] | None = None
    most_seconds: float = 900.0
    process: Literal["worker", "cdc"] = "worker"
    moves_money: bool = False
    task: BillingTask | None = None

    def __post_init__(self) -> None:
        """Refuse a job that contradicts itself.

        Raises:
            ValueError: names the contradiction.
        """
        if self.run and self.units:
            raise ValueError(f"{self.name}: a job has a run or units of work, not both")
        if (self.task or self.units) and not (self.units and self.moves_money):
            raise ValueError(f"{self.name}: a task of billing is done in units of work that move money")
        if self.task and self.name != self.task:
            raise ValueError(f"{self.name}: a job that automates {self.task} is called {self.task}")

    @property
    def is_runnable(self) -> bool:
        """False for what every process does by itself."""
        return self.run is not None or self.units is not None

    def registration(self, settings: Settings) -> Registration:
        """Return the job's row in the table."""
        return Registration(
            name=self.name,
            about=self.about,
            timing=self.when,
            zone=self.when.zone,
            owner="portal" if self.task is None else settings.automator_of(self.task),
            process=self.process if self.is_runnable else f"each {self.process}",
            moves_money=self.moves_money,
            most_seconds=self.most_seconds,
        )
