"""Invoices in WHMCS: only the list has the currency, and only the single invoice its lines and payments."""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from msgspec import Struct

from app.errors import UpstreamMalformed, UpstreamNotFound
from app.intake import unreadable
from app.integrations.error_translation import translates_all_errors
from app.integrations.whmcs import lists, records
from app.integrations.whmcs.api import Api
from app.integrations.whmcs.faults import WHMCS, understood
from app.integrations.whmcs.lists import RecordList
from app.integrations.whmcs.records import WhmcsRecord
from app.integrations.whmcs.wire import known_id, text

DETAILS_AT_ONCE = 4

log = structlog.get_logger()


@translates_all_errors(WHMCS)
class InvoiceClient:
    """The invoices of one installation."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def of(self, whmcs_client_id: str) -> RecordList[WhmcsRecord]:
        """List all invoices of a client, in full. One that is deleted meanwhile is left out."""
        action = "GetInvoices"
        rows = await self._api.rows(action, {"userid": whmcs_client_id, "orderby": "id"}, "invoices", "invoice")
        listed = lists.read(action, rows, _invoice_row, object_name="invoice")
        own = [each for each in listed if each.owner_id == whmcs_client_id]
        found: list[WhmcsRecord] = []
        unread = set(listed.unread)
        for start in range(0, len(own), DETAILS_AT_ONCE):
            some = own[start : start + DETAILS_AT_ONCE]
            details = await asyncio.gather(*(self._detail(each, whmcs_client_id) for each in some))
            found += [each for each in details if isinstance(each, WhmcsRecord)]
            unread |= {each for each in details if isinstance(each, str)}
        if unread and not found:
            raise UpstreamMalformed(WHMCS, action, "not one of its rows can be read")
        return RecordList(found, unread=unread, complete=listed.complete)

    async def _detail(self, row: "_InvoiceRow", whmcs_client_id: str) -> WhmcsRecord | str | None:
        """Read an invoice; its id if it cannot be read; None if it is absent or another client's."""
        try:
            found = await self.one(row.invoice_id, row.currency)
        except UpstreamNotFound:
            return None
        except UpstreamMalformed as error:
            log.warning("row_left_out", action="GetInvoice", id=row.invoice_id, error=error.reason)
            unreadable.note(WHMCS, "invoice", "record", row.invoice_id)
            return row.invoice_id
        return found if found.owner_id == whmcs_client_id else None

    async def one(self, invoice_id: str, currency: str) -> WhmcsRecord:
        """Read one invoice in full; its currency is given or left open."""
        action = "GetInvoice"
        body = await self._api.call(action, {"invoiceid": invoice_id})
        with understood(action):
            found = records.invoice(body, currency)
        if found.record_id != invoice_id:
            raise UpstreamMalformed(WHMCS, action, "another invoice than the one asked for")
        return found


class _InvoiceRow(Struct, frozen=True):
    """An invoice as the list shows it."""

    invoice_id: str
    owner_id: str
    currency: str


def _invoice_row(row: Mapping[str, Any]) -> _InvoiceRow:
    return _InvoiceRow(known_id(row.get("id")), known_id(row.get("userid")), text(row.get("currencycode")))
