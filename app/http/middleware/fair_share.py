"""So much of a process, of which nobody may take everything."""

LEAST = 8
"""What one holder may have in any case, where there is so much."""


def part(in_all: int, divisor: int) -> int:
    """One holder's share."""
    return max(in_all // divisor, min(in_all, LEAST))


class Shares:
    """Counts what is taken, in all and by holder: an address as it is counted, or an account."""

    def __init__(self, in_all: int, each: int) -> None:
        self._in_all, self._each = in_all, each
        self._held: dict[str, int] = {}
        self.used = 0

    def is_full(self, size: int = 1) -> bool:
        """Whether there is not so much left for anybody."""
        return self.used + size > self._in_all

    def is_spent(self, holder: str, size: int = 1) -> bool:
        """Whether this holder may not have so much more."""
        return self._held.get(holder, 0) + size > self._each

    def take(self, holder: str, size: int = 1) -> None:
        """Count it; whether it may be taken is asked before."""
        self._held[holder] = self._held.get(holder, 0) + size
        self.used += size

    def give_back(self, holder: str, size: int = 1) -> None:
        """Of what was taken."""
        self.used -= size
        self._held[holder] -= size
        if not self._held[holder]:
            del self._held[holder]

    def held(self, holder: str) -> int:
        """How much this holder has."""
        return self._held.get(holder, 0)
