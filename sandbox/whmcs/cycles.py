"""Billing cycles: request words, response words, months."""

import calendar
from datetime import date

from sandbox.whmcs.state import NO_DATE

CYCLES = {
    "free": ("Free Account", 0),
    "onetime": ("One Time", 0),
    "monthly": ("Monthly", 1),
    "quarterly": ("Quarterly", 3),
    "semiannually": ("Semi-Annually", 6),
    "annually": ("Annually", 12),
    "biennially": ("Biennially", 24),
    "triennially": ("Triennially", 36),
}
MONTHS: dict[str, int] = dict(CYCLES.values())


def shown(word: str) -> str | None:
    """Return the response word of a request word, in any spelling."""
    key = word.lower().replace(" ", "").replace("-", "").removesuffix("account")
    return CYCLES[key][0] if key in CYCLES else None


def asked(word: str) -> str:
    """Return the request word of a response word."""
    return next(request for request, (shown_as, _) in CYCLES.items() if shown_as == word)


def months_later(day: date, months: int, anchor: int = 0) -> date:
    """Return the same day some months later, at most the last of a shorter month; `anchor` is the day to return to."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(anchor or day.day, calendar.monthrange(year, month + 1)[1]))


def parse_date(text: str) -> date | None:
    """Return a stored date; None for the zero date."""
    return None if not text or text.startswith(NO_DATE) else date.fromisoformat(text[:10])
