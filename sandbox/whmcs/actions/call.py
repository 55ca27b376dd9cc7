"""One API call as an action sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sandbox.clock import Clock
from sandbox.whmcs.actions.params import Params
from sandbox.whmcs.install import Install


@dataclass(frozen=True)
class Call:
    """Installation, parameters and time."""

    install: Install
    params: Params
    clock: Clock
    address: str = ""

    @property
    def today(self) -> date:
        """The server's date."""
        return self.clock.today()

    @property
    def now(self) -> str:
        """The server's time as it is stored."""
        return str(self.clock.local())

    def fire(self, event: str, object_name: str, record_id: object, client_id: int) -> None:
        """Reach a hook point."""
        self.install.fire(self.clock, event, object_name, record_id, client_id)

    def log(self, description: str, client_id: int = 0) -> None:
        """Write to the activity log."""
        self.install.log(self.clock, description, client_id)


Action = Callable[[Call], dict[str, Any]]


def money(amount: Decimal) -> str:
    """Return a stored amount as records show it: two decimals, no grouping."""
    return f"{amount:.2f}"


def escaped(text: str) -> str:
    """Text as PHP's htmlspecialchars leaves it in the database."""
    for plain, entity in (("&", "&amp;"), ('"', "&quot;"), ("'", "&#039;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(plain, entity)
    return text
