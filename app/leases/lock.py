"""The name of an advisory lock, and the session settings of its holder."""

from msgspec import Struct

FROZEN_SECONDS = 10
STATEMENT_SECONDS = 30
"""Time-out of one statement under a lock: its holder may be frozen and never see the end of it."""
HOLDER = "portal-lock"
"""Application name of a session that only holds a lock."""


class Lock(Struct, frozen=True):
    """The name of a lock: the space of its kind, and a number unless the kind has only one lock.

    `settings` are set in the session that takes it, until the session returns to the pool.
    """

    space: int
    key: int | None = None
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The lock's numbers in Postgres."""
        return (self.space,) if self.key is None else (self.space, self.key)

    def trying(self) -> str:
        """Compose the statement that tries the lock and bounds its session."""
        settings = [*bounds().items(), *self.settings]
        made = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings)
        return f"SELECT pg_try_advisory_lock({self._places}), {made}"

    def freeing(self) -> str:
        """Compose the statement that releases it."""
        return f"SELECT pg_advisory_unlock({self._places})"

    @property
    def _places(self) -> str:
        return "$1::bigint" if self.key is None else "$1, $2"


def bounds() -> dict[str, str]:
    """Return the session settings for the holder of a lock."""
    frozen = f"{FROZEN_SECONDS * 1000:.0f}ms"
    return {
        "idle_session_timeout": frozen,
        "idle_in_transaction_session_timeout": frozen,
        "statement_timeout": f"{STATEMENT_SECONDS}s",
    }
