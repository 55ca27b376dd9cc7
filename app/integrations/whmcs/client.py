"""Typed WHMCS calls; every vendor error is raised as one of `app.errors`.

WHMCS ignores parameters that it does not know, and its credential reaches every client, so whatever a filter should
have excluded is checked again here: another owner's record never passes.
"""

from collections.abc import Mapping
from typing import Any

from app.errors import UpstreamMalformed, UpstreamNotFound, UpstreamRejected
from app.integrations.admission.admission import unshared
from app.integrations.admission.upstream_admission import UpstreamAdmission
from app.integrations.error_translation import translates_all_errors
from app.integrations.whmcs import lists, records
from app.integrations.whmcs.api import Api, required
from app.integrations.whmcs.automation import AutomationClient
from app.integrations.whmcs.charging.decline_texts import GatewayWords, read
from app.integrations.whmcs.charging.gateway_log import GatewayLog
from app.integrations.whmcs.faults import WHMCS, understood
from app.integrations.whmcs.invoices import InvoiceClient
from app.integrations.whmcs.lists import RecordList
from app.integrations.whmcs.orders import OrderClient
from app.integrations.whmcs.records import WhmcsRecord
from app.integrations.whmcs.shapes import NewClient, NewServiceOrder, OrderLine, WhmcsOrder
from app.integrations.whmcs.users import Login, Users
from app.integrations.whmcs.wire import as_list, identifier, serialized, text
from app.settings import Settings

__all__ = [
    "Login",
    "NewClient",
    "NewServiceOrder",
    "OrderLine",
    "RecordList",
    "WhmcsClient",
    "WhmcsOrder",
    "WhmcsRecord",
]


@translates_all_errors(WHMCS)
class WhmcsClient:
    """The client of one installation."""

    def __init__(self, settings: Settings, admission: UpstreamAdmission | None = None) -> None:
        self._settings = settings
        admission = admission or unshared(WHMCS, settings)
        self._api = Api(settings, admission)
        # Connections of their own: a slow gateway must not delay all other calls to WHMCS.
        self._charges = Api(settings, admission)
        self.call = self._api.call
        self.rows, self.page = self._api.rows, self._api.page
        invoices = InvoiceClient(self._api)
        self.invoices, self.any_invoice, self._invoice = invoices.of, invoices.one, invoices.one
        orders = OrderClient(self._api)
        self.find_order, self.add_order = orders.find, orders.add
        self.accept_order, self.cancel_order = orders.accept, orders.cancel
        automation = AutomationClient(self._api, settings.whmcs_time_zone)
        self.automation_log, self.is_switched_on = automation.log, automation.is_switched_on
        self.gateway_log = GatewayLog(self._api, settings.whmcs_time_zone).entries
        users = Users(self._api, settings.whmcs_customer_number_field_id)
        self.validate_login, self.clients_owned_by = users.validate_login, users.clients_owned_by

    @classmethod
    async def open(cls, settings: Settings, admission: UpstreamAdmission | None = None) -> "WhmcsClient":
        """Create a client; nothing is called yet."""
        return cls(settings, admission)

    async def close(self) -> None:
        """Close the connections to WHMCS."""
        await self._api.close()
        await self._charges.close()

    async def client(self, whmcs_client_id: str) -> WhmcsRecord:
        """Read a client's profile and billing address."""
        found = await self._client({"clientid": whmcs_client_id})
        if found.record_id != whmcs_client_id:
            raise UpstreamMalformed(WHMCS, "GetClientsDetails", "another client than the one asked for")
        return found

    async def client_by_email(self, email: str) -> WhmcsRecord | None:
        """Find the client with this address."""
        try:
            found = await self._client({"email": email})
        except UpstreamNotFound:
            return None
        return found if found.data["email"].casefold() == email.strip().casefold() else None

    async def client_id_by_email(self, email: str) -> str | None:
        """Find the id of the client with this address."""
        found = await self.client_by_email(email)
        return found.record_id if found else None

    async def _client(self, params: Mapping[str, str]) -> WhmcsRecord:
        action = "GetClientsDetails"
        body = await self.call(action, params)
        with understood(action):
            return records.client(body, self._settings.whmcs_customer_number_field_id)

    async def add_client(self, new: NewClient) -> str:
        """Create a client with its customer number; returns the id. Not idempotent: search by address first.

        Raises:
            UpstreamRejected: with vendor code `email_taken` if the address already has a client or a user.
        """
        fields = {name: getattr(new, name) for name in new.__struct_fields__}
        fields |= {} if fields.pop("language") == "" else {"language": new.language}
        number, password = fields.pop("customer_number"), fields.pop("password")
        custom = serialized({self._settings.whmcs_customer_number_field_id: number})
        params = {**fields, "password2": password, "customfields": custom, "noemail": True}
        return required(await self.call("AddClient", params, write=True), "clientid", "AddClient")

    async def update_client(self, whmcs_client_id: str, fields: Mapping[str, str]) -> None:
        """Update profile or address fields, in WHMCS's names."""
        await self.call("UpdateClient", {**fields, "clientid": whmcs_client_id}, write=True)

    async def close_client(self, whmcs_client_id: str) -> None:
        """Close a client: unpaid invoices are cancelled, services end. Safe to repeat."""
        await self.call("CloseClient", {"clientid": whmcs_client_id}, write=True)

    async def invoice(self, invoice_id: str) -> WhmcsRecord:
        """Read one invoice in full. Its currency is its client's."""
        found = await self._invoice(invoice_id, "")
        owner = await self.client(found.owner_id or "")
        return records.with_currency(found, owner.data["currency_code"])

    async def own_invoice(self, invoice_id: str, whmcs_client_id: str, currency: str) -> WhmcsRecord:
        """Read one invoice of this client in full; its currency is known.

        Raises:
            UpstreamNotFound: it is absent, or another client's.
        """
        found = await self._invoice(invoice_id, currency)
        if found.owner_id != whmcs_client_id:
            raise UpstreamNotFound(WHMCS, "GetInvoice", "another client's")
        return found

    async def charge(self, invoice_id: str) -> GatewayWords | None:
        """Charge the payment method on file for the open amount of an invoice. Never repeat this blindly.

        Returns:
            None if it was charged; if it was declined, what WHMCS says about that, which is rarely anything.

        Raises:
            UpstreamNotFound: the invoice is absent, or no longer unpaid.
            OutcomeUnknown: it may have been charged, now or in a while.
        """
        seconds = self._settings.whmcs_charge_timeout_seconds
        try:
            await self._charges.call("CapturePayment", {"invoiceid": invoice_id}, write=True, timeout_seconds=seconds)
        except UpstreamNotFound:
            raise
        except UpstreamRejected as error:
            return read(error.reason)
        return None

    async def set_invoice_gateway(self, invoice_id: str, gateway: str) -> None:
        """Assign an invoice to another payment gateway. Safe to repeat."""
        await self.call("UpdateInvoice", {"invoiceid": invoice_id, "paymentmethod": gateway}, write=True)

    async def services(self, whmcs_client_id: str) -> RecordList[WhmcsRecord]:
        """List all services of a client."""
        action = "GetClientsProducts"
        rows = await self._api.rows(action, {"clientid": whmcs_client_id}, "products", "product")
        found = lists.read(action, rows, records.service, object_name="service")
        return _of(whmcs_client_id, found)

    async def service(self, service_id: str) -> WhmcsRecord:
        """Read one service.

        Raises:
            UpstreamNotFound: "no service …" if WHMCS has none with this id, which it answers with success and an empty
                list.
        """
        action = "GetClientsProducts"
        body = await self.call(action, {"serviceid": service_id})
        with understood(action):
            rows = as_list(body.get("products"), "product")
            found = next((row for row in rows if _id_of(row) == service_id), None)
            if found is None and rows and not all(map(_id_of, rows)):
                raise ValueError("rows without an id")
            if found is not None:
                return records.service(found)
            none = not rows and identifier(body.get("totalresults")) == "0"
        # A filter that was ignored, or an answer without its list, is no proof that the service does not exist.
        raise UpstreamNotFound(WHMCS, action, f"no service {service_id}" if none else f"not service {service_id}")

    async def pay_methods(self, whmcs_client_id: str) -> RecordList[WhmcsRecord]:
        """List the payment methods of a client."""
        action = "GetPayMethods"
        body = await self.call(action, {"clientid": whmcs_client_id})
        with understood(action):
            if identifier(body.get("clientid") or whmcs_client_id) != whmcs_client_id:
                raise ValueError("another client than the one asked for")
        rows = lists.all_of(action, body, "paymethods", "paymethod")
        first = rows.rows[0] if rows.rows else None
        return lists.read(
            action,
            rows,
            lambda row: records.pay_method(row, whmcs_client_id, listed_first=row is first),
            object_name="pay_method",
        )

    async def set_default_pay_method(self, whmcs_client_id: str, pay_method_id: str) -> None:
        """Make this method the client's default for charges. Safe to repeat.

        Raises:
            UpstreamNotFound: the client has no such method.
        """
        params = {"clientid": whmcs_client_id, "paymethodid": pay_method_id, "set_as_default": True}
        await self.call("UpdatePayMethod", params, write=True)

    async def delete_pay_method(self, whmcs_client_id: str, pay_method_id: str) -> None:
        """Delete a payment method. Safe to repeat.

        Raises:
            UpstreamNotFound: the client has no such method, or no longer.
        """
        params = {"clientid": whmcs_client_id, "paymethodid": pay_method_id}
        await self.call("DeletePayMethod", params, write=True)

    async def gateways(self) -> RecordList[WhmcsRecord]:
        """List the payment gateways of the installation."""
        action = "GetPaymentMethods"
        rows = lists.all_of(action, await self.call(action), "paymentmethods", "paymentmethod")
        return lists.read(action, rows, records.gateway, object_name="gateway", id_field="module")

    async def cancel_service(self, service_id: str) -> None:
        """Set a service's status to cancelled in WHMCS; its provider is not called. Safe to repeat."""
        await self.call("UpdateClientProduct", {"serviceid": service_id, "status": "Cancelled"}, write=True)

    async def sso_link(self, whmcs_client_id: str, *, destination: str, path: str | None = None) -> str:
        """Create a single-use link into WHMCS, valid for at most 60 s.

        Give it to the customer; never store or log it.
        """
        action = "CreateSsoToken"
        params = {"client_id": whmcs_client_id, "destination": destination, "sso_redirect_path": path}
        link = text((await self.call(action, params)).get("redirect_url"))
        if not link:
            raise UpstreamMalformed(WHMCS, action, "success without redirect_url")
        return link


def _of(whmcs_client_id: str, found: RecordList[WhmcsRecord]) -> RecordList[WhmcsRecord]:
    own = (each for each in found if each.owner_id == whmcs_client_id)
    return RecordList(own, unread=found.unread, complete=found.complete)


def _id_of(row: Mapping[str, Any]) -> str:
    try:
        return identifier(row.get("id"))
    except ValueError:
        return ""
