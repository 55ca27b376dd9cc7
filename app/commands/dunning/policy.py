"""The policy of dunning: when a charge is repeated, and how long the grace is, by product and by client group. Pure.

`DUNNING_POLICIES` has exceptions, separated by semicolons: `group 3: 2,5 + 14; product 12: 1,3,7 + never`. A client
group outranks products; of several products on one invoice, the most patient policy counts.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from app.settings import Settings, SettingsError

MOST_DAYS = 90
NEVER = "never"


class DunningPolicy(Struct, frozen=True):
    """Charges are repeated so many days after the due date; `grace_days` after the last, services are suspended. None:
    they never are."""

    retry_days: tuple[int, ...]
    grace_days: int | None

    @property
    def patience_days(self) -> int:
        """The days from the due date to the suspension, very many for none."""
        grace = 100 * MOST_DAYS if self.grace_days is None else self.grace_days
        return (self.retry_days[-1] if self.retry_days else 0) + grace


class Policies(Struct, frozen=True):
    """The usual policy and the exceptions."""

    usual: DunningPolicy
    of_groups: Mapping[str, DunningPolicy] = {}
    of_products: Mapping[str, DunningPolicy] = {}

    @property
    def all(self) -> tuple[DunningPolicy, ...]:
        """All policies, the usual one first."""
        return self.usual, *self.of_groups.values(), *self.of_products.values()

    def of(self, group_id: str, product_ids: Iterable[str]) -> DunningPolicy:
        """Return the policy of an invoice: that of the client's group, or the most patient of its products'."""
        if group_id in self.of_groups:
            return self.of_groups[group_id]
        found = [self.of_products.get(each, self.usual) for each in product_ids] or [self.usual]
        return max(found, key=lambda each: each.patience_days)


def policies(settings: Settings) -> Policies:
    """Read the policies of an installation.

    Raises:
        SettingsError: one sentence about what cannot be used.
    """
    usual = DunningPolicy(_days("DUNNING_RETRY_DAYS", settings.dunning_retry_days), settings.dunning_grace_days)
    _sensible("DUNNING_RETRY_DAYS", usual)
    named: dict[str, dict[str, DunningPolicy]] = {"group": {}, "product": {}}
    for entry in filter(None, map(str.strip, settings.dunning_policies.split(";"))):
        kind, record_id, policy = _exception(entry)
        if record_id in named[kind]:
            raise SettingsError(f"DUNNING_POLICIES cannot be used: {kind} {record_id} is named twice.")
        named[kind][record_id] = policy
    return Policies(usual, named["group"], named["product"])


def _exception(entry: str) -> tuple[str, str, DunningPolicy]:
    subject, _, terms = entry.partition(":")
    kind, _, record_id = subject.strip().partition(" ")
    days, _, grace = terms.partition("+")
    if kind not in ("group", "product") or not _is_number(record_id.strip()) or not grace:
        raise SettingsError(f"DUNNING_POLICIES cannot be used: {entry!r} is not like `product 12: 1,3,7 + 7`.")
    policy = DunningPolicy(_days("DUNNING_POLICIES", days), _grace(entry, grace.strip()))
    _sensible("DUNNING_POLICIES", policy)
    return kind, str(int(record_id)), policy


def _grace(entry: str, text: str) -> int | None:
    if text == NEVER:
        return None
    if not _is_number(text):
        raise SettingsError(f"DUNNING_POLICIES cannot be used: the grace in {entry!r} is no number of days.")
    return int(text)


def _days(name: str, text: str) -> tuple[int, ...]:
    words = [each.strip() for each in text.split(",") if each.strip()]
    if not all(map(_is_number, words)):
        raise SettingsError(f"{name} cannot be used: {text.strip()!r} are no days, such as 1,3,7.")
    return tuple(map(int, words))


def _sensible(name: str, policy: DunningPolicy) -> None:
    """Refuse days out of order, and a suspension without a day to pay in: nobody is suspended on the first failure."""
    days = policy.retry_days
    if list(days) != sorted(set(days)) or any(not 1 <= day <= MOST_DAYS for day in days):
        raise SettingsError(f"{name} cannot be used: days must rise, from 1 to {MOST_DAYS}.")
    if not days:
        raise SettingsError(f"{name} cannot be used: it needs at least one day.")
    if policy.grace_days is not None and not 1 <= policy.grace_days <= MOST_DAYS:
        raise SettingsError(f"{name} cannot be used: the grace must be from 1 to {MOST_DAYS} days, or {NEVER}.")


def _is_number(text: Any) -> bool:
    return bool(text) and text.isascii() and text.isdecimal() and len(text) <= 9
