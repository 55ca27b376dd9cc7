"""The part of a transaction that business rules may use."""

from typing import Any, Protocol

from sandbox.salesforce.org.org import Org
from sandbox.salesforce.org.values import Row


class Work(Protocol):
    """The side of a `Transaction` that rules see."""

    org: Org
    now_ms: int
    user_id: str

    def live(self, name: str, record_id: Any) -> Row | None:
        """Return a row that exists and is not deleted, else None."""

    def children(self, name: str, field_name: str, parent_id: str) -> list[Row]:
        """Return the rows under a parent that are not deleted."""

    def set_system(self, name: str, record_id: str, values: Row) -> None:
        """Write read-only fields of another row, as the org itself does for roll-ups."""

    def create(self, name: str, values: Row) -> str:
        """Create another row in the same transaction."""
