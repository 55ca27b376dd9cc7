"""Random faults: each answer of each upstream meets each kind of fault at one rate, the same ones for the same seed.

What a call meets depends on the seed, the operation and how many calls of it came before, not on the clock, so that
calls of different operations may come in any order.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.faults import rewrites, scripted
from sandbox.faults.scripted import BadFault, Fault

DEFAULT_RATE = 0.01
STREAM_KINDS = (scripted.LATENCY, scripted.STATUS, scripted.DOWN)
"""The faults that calls of the Pub/Sub API can meet, in addition to those of single events."""
NEVER_BY_ITSELF = (scripted.DOWN, scripted.DROP_EVENT)
"""Chosen only when named: an upstream that is down stays down, and a real bus does not lose events silently."""
HTTP_STATUSES = (500, 502, 503, 504, 429, 404)
DRIP_RATE = 2_000
"""Faster than a scripted drip: the answer arrives, if not at once."""


def every_kind() -> list[str]:
    """Return all names that `kinds` may hold. `rewrite:nul` is one rewrite alone."""
    kinds = dict.fromkeys(kind for each in scripted.KINDS.values() for kind in each)
    del kinds[scripted.REWRITE]
    return [*kinds, *(f"{scripted.REWRITE}:{how}" for how in rewrites.HOWS)]


@dataclass
class Rudeness:
    """The random faults that are set, and what calls have met so far."""

    rate: float
    kinds: list[str]
    seed: int
    upstreams: tuple[str, ...] = scripted.UPSTREAMS
    seen: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    met_kinds: Counter[str] = field(default_factory=Counter)

    def met(self, upstream: str, operation: str, kinds: tuple[str, ...]) -> list[Fault]:
        """Return the faults that one call, webhook, page or event meets."""
        if upstream not in self.upstreams:
            return []
        if operation.startswith("pubsub."):
            kinds = tuple(kind for kind in kinds if kind in STREAM_KINDS)
        lot = (upstream, operation, kinds[0] if kinds else "")
        self.seen[lot] += 1
        chance = random.Random(f"{self.seed}/{'/'.join(lot)}/{self.seen[lot]}")
        found = [each for each in self._drawn(upstream, operation, kinds, chance) if chance.random() < self.rate]
        for each in found:
            self.met_kinds[f"{upstream}/{each.kind}{':' + each.how if each.how else ''}"] += 1
        return found

    def _drawn(self, upstream: str, operation: str, kinds: tuple[str, ...], chance: random.Random) -> Iterator[Fault]:
        for name in self.kinds:
            kind, _, how = name.partition(":")
            if kind in kinds and kind in scripted.KINDS[upstream]:
                yield _fault(upstream, operation, kind, how, chance)

    def shown(self) -> dict[str, Any]:
        """Return the settings and the counts so far."""
        return {
            "rate": self.rate,
            "kinds": self.kinds,
            "seed": self.seed,
            "upstreams": list(self.upstreams),
            "calls": sum(self.seen.values()),
            "met": dict(sorted(self.met_kinds.items())),
        }


def _fault(upstream: str, operation: str, kind: str, how: str, chance: random.Random) -> Fault:
    fault = Fault(upstream, operation, kind, how=how, seconds=round(chance.uniform(0.05, 1.0), 3))
    if kind == scripted.STATUS:
        fault.status, fault.page = chance.choice(HTTP_STATUSES), chance.random() < 0.5
        fault.retry_after = "1" if fault.status in (429, 503) else ""
    if kind == scripted.REWRITE:
        fault.status = 0
    if kind == scripted.HEADERS:
        fault.headers = {"content-type": chance.choice(("text/plain", "application/json;charset=Shift_JIS", ""))}
    if kind == scripted.DRIP:
        fault.rate = DRIP_RATE
    if kind == scripted.MOVING:
        fault.how = "reorder"  # a random fault spoils what is said of records, never the records
    return fault


def parse(body: Any) -> Rudeness:
    """Return the random faults that a control request describes: `rate`, `kinds` (all), `seed` (0), `upstreams` (all).

    Raises:
        BadFault
    """
    if not isinstance(body, dict):
        raise BadFault("Rudeness is a JSON object with rate, kinds and seed.")
    if unknown := sorted(set(body) - {"rate", "kinds", "seed", "upstreams"}):
        raise BadFault(f"Rudeness has no {', '.join(unknown)}; it has rate, kinds, seed and upstreams.")
    rate, seed = body.get("rate", DEFAULT_RATE), body.get("seed", 0)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise BadFault("rate must be a number from 0 to 1.")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise BadFault("seed must be a whole number.")
    upstreams = tuple(_named(body, "upstreams", list(scripted.UPSTREAMS)))
    return Rudeness(float(rate), _kinds(body), seed, upstreams)


def _kinds(body: dict[str, Any]) -> list[str]:
    known = every_kind()
    usual = [kind for kind in known if kind not in NEVER_BY_ITSELF]
    found: list[str] = []
    for name in _named(body, "kinds", [*known, scripted.REWRITE], usual):
        found += (
            [each for each in known if each.startswith(f"{scripted.REWRITE}:")] if name == scripted.REWRITE else [name]
        )
    return found


def _named(body: dict[str, Any], name: str, known: list[str], usual: list[str] | None = None) -> list[str]:
    given = body.get(name)
    if given is None:
        return known if usual is None else usual
    if not isinstance(given, list) or not given or (unknown := [each for each in given if each not in known]):
        wrong = f", not {', '.join(map(repr, unknown))}" if isinstance(given, list) and given else ""
        raise BadFault(f"{name} must be a list of these: {', '.join(known)}{wrong}.")
    return given
