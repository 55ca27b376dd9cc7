"""Orders in WHMCS: find, place, accept, cancel."""

from collections.abc import Collection, Mapping
from typing import Any

from app.errors import UpstreamMalformed
from app.integrations.error_translation import translates_all_errors
from app.integrations.whmcs.api import Api, required
from app.integrations.whmcs.faults import WHMCS, understood
from app.integrations.whmcs.shapes import NewServiceOrder, WhmcsOrder
from app.integrations.whmcs.wire import as_list, csv, identifier, known_id, text

MARKER = "sfOrderId="
"""Order notes hold this and the Salesforce order id: fulfilment finds the effect of an unanswered AddOrder by it."""


@translates_all_errors(WHMCS)
class OrderClient:
    """The orders of one installation."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def find(
        self, whmcs_client_id: str, salesforce_order_id: str, besides: Collection[str] = ()
    ) -> WhmcsOrder | None:
        """Find the client's order whose notes name this Salesforce order, `besides` these orders.

        Raises:
            UpstreamMalformed: it is not among the readable orders, and there may be others.
        """
        action = "GetOrders"
        rows = await self._api.rows(action, {"userid": whmcs_client_id}, "orders", "order")
        marker = f"{MARKER}{salesforce_order_id}"
        sure = rows.complete
        with understood(action):
            for row in rows.rows:
                notes = row.get("notes") if isinstance(row, Mapping) else {}
                if marker in text(notes) and known_id(row.get("userid")) == whmcs_client_id:
                    if (found := _order(row)).order_id not in besides:
                        return found
                    continue
                sure = sure and (notes is None or isinstance(notes, str))
        if not sure:  # a duplicate order is worse than a delayed one
            raise UpstreamMalformed(WHMCS, action, "an order that cannot be read may be the one looked for")
        return None

    async def add(self, order: NewServiceOrder) -> WhmcsOrder:
        """Place an order, without invoice or mail unless it is to be paid first.

        Not idempotent: check with `find` first and after an unknown outcome.
        """
        action = "AddOrder"
        params: dict[str, object] = {
            "clientid": order.whmcs_client_id,
            "paymentmethod": order.payment_method,
            "pid": [line.pid for line in order.lines],
            "billingcycle": [line.billing_cycle for line in order.lines],
            "qty": [line.qty for line in order.lines],
            "domain": [line.domain for line in order.lines],
            "priceoverride": ["" if line.price is None else f"{line.price:.2f}" for line in order.lines],
            "promocode": order.promo_code or None,
            "notes": f"{MARKER}{order.salesforce_order_id}",
            "noinvoice": not order.invoiced,
            "noinvoiceemail": not order.invoiced,
            "noemail": True,
        }
        body = await self._api.call(action, params, write=True)
        services = tuple(map(known_id, csv(text(body.get("serviceids") or body.get("productids")))))
        return WhmcsOrder(required(body, "orderid", action), services, _invoice_id(body), "Pending")

    async def accept(self, order_id: str) -> None:
        """Accept a pending order without module set-up and mail: the portal provisions SIMs and hosting itself.

        Both are sent explicitly, because by default they follow the product's configuration.

        Raises:
            UpstreamRejected: with vendor code `not_pending` if it is already accepted, cancelled, or absent.
        """
        await self._api.call("AcceptOrder", {"orderid": order_id, "autosetup": "0", "sendemail": "0"}, write=True)

    async def cancel(self, order_id: str) -> None:
        """Cancel a pending order with its services and its unpaid invoice.

        Raises:
            UpstreamRejected: with vendor code `not_pending` if it is accepted, already cancelled, or absent.
        """
        await self._api.call("CancelOrder", {"orderid": order_id, "noemail": True}, write=True)


def _order(row: Mapping[str, Any]) -> WhmcsOrder:
    lines = as_list(row.get("lineitems"), "lineitem")
    services = tuple(known_id(line.get("relid")) for line in lines if text(line.get("type")).lower() == "product")
    return WhmcsOrder(known_id(row.get("id")), services, _invoice_id(row), text(row.get("status")))


def _invoice_id(body: Mapping[str, Any]) -> str | None:
    """Parse the invoice id; an order without invoice has 0, "" or none."""
    found = identifier(body.get("invoiceid"))
    return found if found not in ("", "0") else None
