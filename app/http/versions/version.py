"""The shape of a version of the contract: its date, and what the next one changed, as pure functions.

The code speaks the newest version alone. A former one is served by carrying requests forward and answers back, one
version at a time, so a version knows its successor and no other.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

from msgspec import Struct

from app.http.policies.ending import AnnouncedEnd

QueryPairs = tuple[tuple[str, str], ...]

AnswerChange = Callable[[int, Any], tuple[int, Any]]
"""From status and decoded body of the next version to those of this one."""
RequestChange = Callable[[QueryPairs, Any], tuple[QueryPairs, Any]]
"""From query parameters and decoded body of this version to those of the next one. Without a body it is None."""
EventChange = Callable[[str, Any], tuple[str, Any] | None]
"""From name and data of an event of the next version to those of this one, or None where this one has no such event."""


class ContractChange(Struct, frozen=True, kw_only=True):
    """One thing that the next version changed.

    Attributes:
        operations: the ids of the operations that it concerns.
        says: what changed, and what callers do about it, as docs/versions.md has it.
        answer: carries back what succeeded.
        problem: carries back problems.
        request: carries requests forward.
        event: carries back what `streamEvents` sends.
    """

    operations: tuple[str, ...]
    says: str
    answer: AnswerChange | None = None
    problem: AnswerChange | None = None
    request: RequestChange | None = None
    event: EventChange | None = None


class ContractVersion(Struct, frozen=True, kw_only=True):
    """A version of the contract.

    Attributes:
        day: the day of its release, which is its name.
        changes: what the next version changed; the newest version has none.
        ending: its announced end; the newest version has none.
    """

    day: date
    changes: tuple[ContractChange, ...] = ()
    ending: AnnouncedEnd | None = None

    @property
    def name(self) -> str:
        """The name as `Portal-Version` has it."""
        return self.day.isoformat()
