"""What the portal asks of WHMCS, as typed calls; every vendor error comes out as one of `app.errors`.

WHMCS ignores parameters that it does not know and its credential reaches every client, so whatever a filter should have
kept out is checked again here: a record of somebody else's never passes.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from app.errors import OutcomeUnknown, UpstreamMalformed, UpstreamNotFound, UpstreamRejected, UpstreamUnavailable
from app.integrations.whmcs import records
from app.integrations.whmcs.api import Api, required
from app.integrations.whmcs.faults import WHMCS, understood
from app.integrations.whmcs.orders import Orders
from app.integrations.whmcs.records import Record
from app.integrations.whmcs.shapes import NewClient, NewOrder, OrderLine, WhmcsOrder
from app.integrations.whmcs.wire import as_list, identifier, serialized, text
from app.settings import Settings

__all__ = ["NewClient", "NewOrder", "OrderLine", "Record", "WhmcsClient", "WhmcsOrder"]

DETAILS_AT_ONCE = 4


class WhmcsClient:
    """One installation."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._api = Api(settings)
        # Connections of their own: a slow gateway must not hold up everything else that is asked of WHMCS.
        self._charges = Api(settings)
        self.call = self._api.call
        self.rows = self._api.rows
        orders = Orders(self._api)
        self.find_order, self.add_order = orders.find, orders.add
        self.accept_order, self.cancel_order = orders.accept, orders.cancel

    @classmethod
    async def open(cls, settings: Settings) -> "WhmcsClient":
        """A client; nothing is called yet."""
        return cls(settings)

    async def close(self) -> None:
        """Give the connections back."""
        await self._api.close()
        await self._charges.close()

    async def client(self, whmcs_client_id: str) -> Record:
        """A client's profile and billing address."""
        found = await self._client({"clientid": whmcs_client_id})
        if found.record_id != whmcs_client_id:
            raise UpstreamMalformed(WHMCS, "GetClientsDetails", "another client than the one asked for")
        return found

    async def client_by_email(self, email: str) -> Record | None:
        """The client with this address."""
        try:
            found = await self._client({"email": email})
        except UpstreamNotFound:
            return None
        return found if found.data["email"].casefold() == email.strip().casefold() else None

    async def client_id_by_email(self, email: str) -> str | None:
        """The id of the client with this address."""
        found = await self.client_by_email(email)
        return found.record_id if found else None

    async def _client(self, params: Mapping[str, str]) -> Record:
        action = "GetClientsDetails"
        body = await self.call(action, params)
        with understood(action):
            return records.client(body, self._settings.whmcs_customer_number_field_id)

    async def add_client(self, new: NewClient) -> str:
        """Create a client with its customer number; returns the id. Not idempotent: look by address first.

        Raises:
            UpstreamRejected: with vendor code `email_taken` when the address has a client or a user already.
        """
        fields = {name: getattr(new, name) for name in new.__struct_fields__}
        number, password = fields.pop("customer_number"), fields.pop("password")
        custom = serialized({self._settings.whmcs_customer_number_field_id: number})
        params = {**fields, "password2": password, "customfields": custom, "noemail": True}
        return required(await self.call("AddClient", params, write=True), "clientid", "AddClient")

    async def update_client(self, whmcs_client_id: str, fields: Mapping[str, str]) -> None:
        """Change profile or address fields, in WHMCS's names."""
        await self.call("UpdateClient", {**fields, "clientid": whmcs_client_id}, write=True)

    async def close_client(self, whmcs_client_id: str) -> None:
        """Close a client: unpaid invoices are cancelled, services end. Safe to repeat."""
        await self.call("CloseClient", {"clientid": whmcs_client_id}, write=True)

    async def invoices(self, whmcs_client_id: str) -> list[Record]:
        """All invoices of a client, in full. One that is deleted meanwhile is left out."""
        action = "GetInvoices"
        rows = await self._api.rows(action, {"userid": whmcs_client_id, "orderby": "id"}, "invoices", "invoice")
        own = [row for row in rows if identifier(row.get("userid")) == whmcs_client_id]
        found: list[Record] = []
        for start in range(0, len(own), DETAILS_AT_ONCE):
            details = (self._detail(row, whmcs_client_id) for row in own[start : start + DETAILS_AT_ONCE])
            found += [each for each in await asyncio.gather(*details) if each is not None]
        return found

    async def _detail(self, row: Mapping[str, Any], whmcs_client_id: str) -> Record | None:
        try:
            found = await self._invoice(identifier(row["id"]), text(row.get("currencycode")))
        except UpstreamNotFound:
            return None
        return found if found.owner_id == whmcs_client_id else None

    async def invoice(self, invoice_id: str) -> Record:
        """One invoice in full. Its currency is its client's."""
        found = await self._invoice(invoice_id, "")
        owner = await self.client(found.owner_id or "")
        return records.with_currency(found, owner.data["currency_code"])

    async def own_invoice(self, invoice_id: str, whmcs_client_id: str, currency: str) -> Record:
        """One invoice in full, of this client, whose currency is known.

        Raises:
            UpstreamNotFound: it is absent, or another client's.
        """
        found = await self._invoice(invoice_id, currency)
        if found.owner_id != whmcs_client_id:
            raise UpstreamNotFound(WHMCS, "GetInvoice", "another client's")
        return found

    async def charge(self, invoice_id: str) -> None:
        """Charge the payment method on file for what is open of an invoice. Never to be repeated blindly.

        Raises:
            UpstreamRejected: nothing was charged; the vendor code says why as far as WHMCS does: `insufficient_funds`,
                `card_invalid`, `gateway_error` or `declined`.
            UpstreamNotFound: the invoice is absent, or not unpaid any more.
            OutcomeUnknown: it may have been charged, now or in a while.
        """
        seconds = self._settings.whmcs_charge_timeout_seconds
        await self._charges.call("CapturePayment", {"invoiceid": invoice_id}, write=True, timeout_seconds=seconds)

    async def set_invoice_gateway(self, invoice_id: str, gateway: str) -> None:
        """Have an invoice paid through another gateway. Safe to repeat."""
        await self.call("UpdateInvoice", {"invoiceid": invoice_id, "paymentmethod": gateway}, write=True)

    async def _invoice(self, invoice_id: str, currency: str) -> Record:
        action = "GetInvoice"
        body = await self.call(action, {"invoiceid": invoice_id})
        with understood(action):
            found = records.invoice(body, currency)
        if found.record_id != invoice_id:
            raise UpstreamMalformed(WHMCS, action, "another invoice than the one asked for")
        return found

    async def services(self, whmcs_client_id: str) -> list[Record]:
        """All services of a client."""
        action = "GetClientsProducts"
        rows = await self._api.rows(action, {"clientid": whmcs_client_id}, "products", "product")
        with understood(action):
            return [each for each in map(records.service, rows) if each.owner_id == whmcs_client_id]

    async def service(self, service_id: str) -> Record:
        """One service.

        Raises:
            UpstreamNotFound: "no service …" when WHMCS has none of this id, which it says by success and an empty list.
        """
        action = "GetClientsProducts"
        body = await self.call(action, {"serviceid": service_id})
        with understood(action):
            found = [records.service(row) for row in as_list(body.get("products"), "product")]
        for each in found:
            if each.record_id == service_id:
                return each
        with understood(action):
            none = not found and identifier(body.get("totalresults")) == "0"
        # A filter that was ignored, or an answer without its list, is no proof that the service does not exist.
        raise UpstreamNotFound(WHMCS, action, f"no service {service_id}" if none else f"not service {service_id}")

    async def pay_methods(self, whmcs_client_id: str) -> list[Record]:
        """The payment methods kept for a client."""
        action = "GetPayMethods"
        body = await self.call(action, {"clientid": whmcs_client_id})
        with understood(action):
            if identifier(body.get("clientid") or whmcs_client_id) != whmcs_client_id:
                raise ValueError("another client than the one asked for")
            return [records.pay_method(row, whmcs_client_id) for row in as_list(body.get("paymethods"), "paymethod")]

    async def set_default_pay_method(self, whmcs_client_id: str, pay_method_id: str) -> None:
        """Have the client charged by this method from now on. Safe to repeat.

        Raises:
            UpstreamNotFound: the client has no such method.
        """
        params = {"clientid": whmcs_client_id, "paymethodid": pay_method_id, "set_as_default": True}
        await self.call("UpdatePayMethod", params, write=True)

    async def delete_pay_method(self, whmcs_client_id: str, pay_method_id: str) -> None:
        """Forget a method. Safe to repeat.

        Raises:
            UpstreamNotFound: the client has no such method, or no more.
        """
        params = {"clientid": whmcs_client_id, "paymethodid": pay_method_id}
        await self.call("DeletePayMethod", params, write=True)

    async def gateways(self) -> list[Record]:
        """The payment gateways of the installation."""
        action = "GetPaymentMethods"
        body = await self.call(action)
        with understood(action):
            return [records.gateway(row) for row in as_list(body.get("paymentmethods"), "paymentmethod")]

    async def cancel_service(self, service_id: str) -> None:
        """Mark a service as cancelled in WHMCS; whatever provides it is not told. Safe to repeat."""
        await self.call("UpdateClientProduct", {"serviceid": service_id, "status": "Cancelled"}, write=True)

    async def sso_link(self, whmcs_client_id: str, *, destination: str, path: str | None = None) -> str:
        """A single-use link into WHMCS, good for at most 60 s. Hand it to the customer; never store or log it."""
        action = "CreateSsoToken"
        params = {"client_id": whmcs_client_id, "destination": destination, "sso_redirect_path": path}
        link = text((await self.call(action, params)).get("redirect_url"))
        if not link:
            raise UpstreamMalformed(WHMCS, action, "success without redirect_url")
        return link

    async def validate_login(self, email: str, password: str) -> bool:
        """Whether these are a WHMCS user's credentials; a second factor does not matter for the proof.

        Asked once: repeating a wrong password counts towards a ban.
        """
        try:
            await self.call("ValidateLogin", {"email": email, "password2": password}, write=True)
        except UpstreamRejected:
            return False
        except OutcomeUnknown as error:  # it changes nothing that matters, so there is nothing to look up
            raise UpstreamUnavailable(WHMCS, error.operation, error.reason) from error
        return True
