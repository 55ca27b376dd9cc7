"""The rest of long query results, fetched page by page under a locator that lives no longer than its session."""

from collections import OrderedDict
from typing import Any

from sandbox.salesforce.org.ids import PREFIXES, make_id
from sandbox.salesforce.rest.errors import SalesforceError

KEPT = 200


class Locators:
    """Query results still being read; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._results: OrderedDict[str, tuple[str, list[dict[str, Any]]]] = OrderedDict()
        self._number = 0

    def keep(self, records: list[dict[str, Any]], session: str) -> str:
        """Store a result and return its locator, valid for one session."""
        self._number += 1
        locator = make_id(PREFIXES["QueryLocator"], self._number)
        self._results[locator] = session, records
        if len(self._results) > KEPT:
            self._results.popitem(last=False)
        return locator

    def kill(self) -> int:
        """Drop all results. Return how many there were."""
        killed = len(self._results)
        self._results.clear()
        return killed

    def page(self, locator: str, session: str, offset: int, size: int, root: str) -> dict[str, Any]:
        """One page of a result, with the path of the next.

        Raises:
            SalesforceError: INVALID_QUERY_LOCATOR when the result is no longer kept, or is another session's.
        """
        owner, records = self._results.get(locator, ("", []))
        if not owner or owner != session:
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
        end = offset + size
        page = {"totalSize": len(records), "done": end >= len(records), "records": records[offset:end]}
        return page if page["done"] else page | {"nextRecordsUrl": f"{root}/query/{locator}-{end}"}
