"""The plan of a soak, and its outcome."""

from collections import Counter
from dataclasses import dataclass, field

HEAL_SECONDS = 30.0


@dataclass(frozen=True)
class Plan:
    """The duration, fault rate and seed. Healthy records have `heal_seconds` to recover afterwards."""

    seconds: float
    seed: int
    rate: float = 0.01
    heal_seconds: float = HEAL_SECONDS
    kinds: tuple[str, ...] = ()


@dataclass
class Report:
    """The outcome. A soak that went well has no `problems`."""

    changes: int = 0
    met: dict[str, int] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)
    not_yet: int = 0
    """Rows that were not right yet when the load ended."""

    unheard: list[str] = field(default_factory=list)
    """What read models name rows by whose events could not be decoded."""

    named: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For people."""
        lines = [
            f"{self.changes} changes; faults met: {sum(self.met.values())} of {len(self.met)} kinds",
            f"answers to customers: {dict(sorted(self.answers.items()))}",
            f"rows not right when the load ended: {self.not_yet}",
            f"rows whose events could not be decoded: {len(self.unheard)}",
            *(f"named: {line[:160]}" for line in self.named),
            *(f"PROBLEM: {line[:300]}" for line in self.problems),
        ]
        return "\n".join(lines)
