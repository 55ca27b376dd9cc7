"""What must become of a customer, written from the policy and not from the code: days, money, whether the service runs,
and what the customer is told. It knows neither the journal nor the states of dunning.

Charges: on the due date, and 1, 3 and 7 days after it, and at once with a new card. Then seven days, of which each must
have been without a hold or a pending payment, and the suspension on the next day that is neither a weekend nor a
holiday. What was refused for good is not charged again.

Told is what failed, once that only a new card helps, once when the suspension is announced, and each suspension and
each end of one.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta

RETRIES = (1, 3, 7)
GRACE = 7
HOLIDAYS = {date(2027, 1, 11), date(2027, 2, 11), date(2027, 2, 23), date(2027, 3, 22)}
"""Of the weeks that the walk goes through."""


def next_working_day(day: date) -> date:
    """Return the day, or the first one after it on which somebody works."""
    while day.weekday() > 4 or day in HOLIDAYS:
        day += timedelta(days=1)
    return day


@dataclass
class Card:
    """A card: `good`, `soft` (declined today, perhaps not tomorrow) or `hard` (never accepted)."""

    kind: str
    refused: bool = False


@dataclass
class Customer:
    """One customer with one service and one invoice. `told` has the day of each step, and its kind and number;
    `seconds` counts charges that were accepted with another card than the first."""

    due_on: date
    cards: list[Card]
    by_transfer: bool = False
    owed: int = 1_100
    charged: list[int] = field(default_factory=list)
    told: list[tuple[date, str]] = field(default_factory=list)
    seconds: int = 0
    over: str = ""
    pending: bool = False
    held_until: date | None = None
    abused: bool = False
    suspended: bool = False
    begun: bool = False
    slots: int = 0
    last_slot_on: date | None = None
    grace_days: int = 0
    suspend_on: date | None = None
    fresh_card: bool = False

    def day(self, today: date) -> None:
        """Let the portal do what it does on a day; what people did on it is done already."""
        if self.over or self.owed <= 0:
            self._settle(today)
            return
        if today < self.due_on:
            return
        paused = self.pending or (self.held_until is not None and today <= self.held_until)
        if self._is_held(today) and self.suspended:
            self._let_back(today)
        if not paused:
            self._charge_if_due(today)
        if self.owed <= 0:
            self._settle(today)
        elif self.slots == len(RETRIES) and self.last_slot_on is not None and self.last_slot_on < today:
            self._grace(today, paused)

    def _is_held(self, today: date) -> bool:
        return self.held_until is not None and today <= self.held_until

    def _let_back(self, today: date) -> None:
        self._settle(today)
        assert self.held_until is not None
        self.suspend_on = next_working_day(self.held_until + timedelta(days=1))

    def _charge_if_due(self, today: date) -> None:
        if self.fresh_card and self.begun:
            self.fresh_card = False
            if self._declined(self.cards[-1:]):
                self._tell(today, "new_method_failed")
            if self.owed <= 0:
                return
        if not self.begun:
            self.begun, self.fresh_card = True, False
            if today == self.due_on:
                self._try(today)
                return
        if self.slots < len(RETRIES) and today >= self._slot_day():
            self.slots, self.last_slot_on = self.slots + 1, today
            self._try(today)

    def _slot_day(self) -> date:
        planned = self.due_on + timedelta(days=RETRIES[self.slots])
        if self.slots == 0 or self.last_slot_on is None:
            return planned
        return max(planned, self.last_slot_on + timedelta(days=RETRIES[self.slots] - RETRIES[self.slots - 1]))

    def _try(self, today: date) -> None:
        """Charge what is on file, and announce what follows if that was the last attempt."""
        if self._declined(self.cards):
            self._tell(today, "payment_failed", self.slots)
        if self.owed <= 0:
            return
        if self.slots == len(RETRIES):
            self.suspend_on = next_working_day(today + timedelta(days=GRACE))
            self._tell(today, "suspension_announced", 0)
        useless = all(card.refused for card in self.cards) and not self.by_transfer
        if useless and "new_card_needed 0" not in [step for _, step in self.told]:
            self._tell(today, "new_card_needed", 0)

    def _declined(self, cards: list[Card]) -> bool:
        """Charge one card after another, and say whether any was tried in vain."""
        tried = [] if self.by_transfer else [card for card in cards if not card.refused]
        for card in tried:
            if card.kind == "good":
                self.charged.append(self.owed)
                self.owed = 0
                self.seconds += card is not tried[0]
                return False
            card.refused = card.kind == "hard"
        return bool(tried)

    def _grace(self, today: date, paused: bool) -> None:
        if self.suspended:
            return
        assert self.suspend_on is not None
        if paused:
            left = max(GRACE - self.grace_days, 0)
            self.suspend_on = max(self.suspend_on, next_working_day(today + timedelta(days=1 + left)))
            return
        self.grace_days += 1
        if self.grace_days >= GRACE and today >= self.suspend_on and next_working_day(today) == today:
            self.suspended = not self.abused
            if self.suspended:
                self._tell(today, "suspended")
            return
        left = max(GRACE - self.grace_days, 0)
        self.suspend_on = max(self.suspend_on, next_working_day(today + timedelta(days=left)))

    def _settle(self, today: date) -> None:
        if self.suspended:
            self._tell(today, "restored")
        self.suspended = False

    def _tell(self, today: date, step: str, number: int | None = None) -> None:
        """Tell a step. Without a number, it is the next one of its kind."""
        before = Counter(each.split()[0] for _, each in self.told)
        self.told.append((today, f"{step} {before[step] if number is None else number}"))

    @property
    def status(self) -> str:
        """The status of the service in WHMCS."""
        return "Suspended" if self.suspended or self.abused else "Active"
