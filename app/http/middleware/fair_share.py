"""Fair shares of a process's capacity: no holder may take all of it."""

LEAST = 8
"""The smallest share of one holder, where the capacity allows it."""


def part(in_all: int, divisor: int) -> int:
    """Return the share of one holder."""
    return max(in_all // divisor, min(in_all, LEAST))


class Shares:
    """Counts what is taken, in all and by holder. A holder is an address, as it is counted, or an account."""

    def __init__(self, in_all: int, each: int) -> None:
        self._in_all, self._each = in_all, each
        self._held: dict[str, int] = {}
        self.used = 0

    def is_full(self, size: int = 1) -> bool:
        """Return whether less than this is left."""
        return self.used + size > self._in_all

    def is_spent(self, holder: str, size: int = 1) -> bool:
        """Return whether this would exceed the holder's share."""
        return self._held.get(holder, 0) + size > self._each

    def take(self, holder: str, size: int = 1) -> None:
        """Count what a holder takes; the caller has checked that it may."""
        self._held[holder] = self._held.get(holder, 0) + size
        self.used += size

    def give_back(self, holder: str, size: int = 1) -> None:
        """Return a part of what a holder took."""
        self.used -= size
        self._held[holder] -= size
        if not self._held[holder]:
            del self._held[holder]

    def held(self, holder: str) -> int:
        """Return how much a holder has."""
        return self._held.get(holder, 0)
