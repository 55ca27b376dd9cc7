"""What a step may say instead of finishing, and the order it works on."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from app.commands.context import Context
from app.commands.fulfilment.journal import Fulfilment


class Pause(Exception):
    """The customer or the world must change something first; it is looked at again by itself."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class NotYet(Exception):
    """An upstream accepted and has not finished; ask again after this many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not yet, again in {seconds} s")
        self.seconds = seconds


class Line(Struct, frozen=True, kw_only=True):
    """One item of the order with what its product says."""

    order_item_id: str
    sku: str
    category: str
    item_class: str
    billing_cycle: str
    whmcs_product_id: str
    quantity: int
    facts: dict[str, Any]


class Work(Struct, frozen=True):
    """What a step works with: `order` is the Salesforce record as it is now."""

    ctx: Context
    connection: Any
    fulfilment: Fulfilment
    order: dict[str, Any]
    lines: list[Line]

    def of(self, category: str, item_class: str = "service") -> list[Line]:
        """Lines of one category and class."""
        return [line for line in self.lines if (line.category, line.item_class) == (category, item_class)]


Step = Callable[[Work], Awaitable[dict[str, Any]]]
"""Does its part and returns what it learned, for the journal. Safe to run again."""
