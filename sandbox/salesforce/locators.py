"""The rest of long query results, fetched page by page under a locator."""

from collections import OrderedDict
from typing import Any

from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.ids import PREFIXES, make_id

KEPT = 200


class Locators:
    """Query results still being read; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._results: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()
        self._number = 0

    def keep(self, records: list[dict[str, Any]]) -> str:
        """A locator for a result."""
        self._number += 1
        locator = make_id(PREFIXES["QueryLocator"], self._number)
        self._results[locator] = records
        if len(self._results) > KEPT:
            self._results.popitem(last=False)
        return locator

    def page(self, locator: str, offset: int, size: int, root: str) -> dict[str, Any]:
        """One page of a result, with the path of the next.

        Raises:
            SalesforceError: INVALID_QUERY_LOCATOR when the result is no longer kept.
        """
        if locator not in self._results:
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
        records = self._results[locator]
        end = offset + size
        page = {"totalSize": len(records), "done": end >= len(records), "records": records[offset:end]}
        return page if page["done"] else page | {"nextRecordsUrl": f"{root}/query/{locator}-{end}"}
