"""What must become of a customer, written from the policy and not from the code: days, money, and whether the service
runs. It knows neither the journal nor the states of dunning.

Charges: on the due date, and 1, 3 and 7 days after it, and at once with a new card. Then seven days, of which each must
have been without a hold or a pending payment, and the suspension on the next day that is neither a weekend nor a
holiday. What was refused for good is not charged again.
"""

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
    """One customer with one service and one invoice."""

    due_on: date
    cards: list[Card]
    by_transfer: bool = False
    owed: int = 1_100
    charged: list[int] = field(default_factory=list)
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
            self._settle()
            return
        if today < self.due_on:
            return
        paused = self.pending or (self.held_until is not None and today <= self.held_until)
        if self._is_held(today) and self.suspended:
            self._let_back(today)
        if not paused:
            self._charge_if_due(today)
        if self.owed <= 0:
            self._settle()
        elif self.slots == len(RETRIES) and self.last_slot_on is not None and self.last_slot_on < today:
            self._grace(today, paused)

    def _is_held(self, today: date) -> bool:
        return self.held_until is not None and today <= self.held_until

    def _let_back(self, today: date) -> None:
        self.suspended = False
        assert self.held_until is not None
        self.suspend_on = next_working_day(self.held_until + timedelta(days=1))

    def _charge_if_due(self, today: date) -> None:
        if self.fresh_card and self.begun:
            self.fresh_card = False
            self._try()
            if self.owed <= 0:
                return
        if not self.begun:
            self.begun, self.fresh_card = True, False
            if today == self.due_on:
                self._try()
                return
        if self.slots < len(RETRIES) and today >= self._slot_day():
            self.slots, self.last_slot_on = self.slots + 1, today
            self._try()
            if self.slots == len(RETRIES):
                self.suspend_on = next_working_day(today + timedelta(days=GRACE))

    def _slot_day(self) -> date:
        planned = self.due_on + timedelta(days=RETRIES[self.slots])
        if self.slots == 0 or self.last_slot_on is None:
            return planned
        return max(planned, self.last_slot_on + timedelta(days=RETRIES[self.slots] - RETRIES[self.slots - 1]))

    def _try(self) -> None:
        for card in [] if self.by_transfer else self.cards:
            if card.refused:
                continue
            if card.kind == "good":
                self.charged.append(self.owed)
                self.owed = 0
                return
            card.refused = card.kind == "hard"

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
            return
        left = max(GRACE - self.grace_days, 0)
        self.suspend_on = max(self.suspend_on, next_working_day(today + timedelta(days=left)))

    def _settle(self) -> None:
        self.suspended = False

    @property
    def status(self) -> str:
        """The status of the service in WHMCS."""
        return "Suspended" if self.suspended or self.abused else "Active"
