"""The WHMCS API: one endpoint, forms in, JSON out.

Reads are repeated a little on connection trouble; writes never, because nothing in WHMCS is idempotent: a write that
was sent but not answered is `OutcomeUnknown`, and whoever made it must look before repeating.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from app.errors import OutcomeUnknown, UpstreamMalformed, UpstreamNotFound, UpstreamRejected, UpstreamUnavailable
from app.integrations.tls import trusted
from app.integrations.whmcs import records
from app.integrations.whmcs.faults import WHMCS, of_message, of_status
from app.integrations.whmcs.records import Record
from app.integrations.whmcs.wire import as_list, form, identifier, serialized, text
from app.settings import Settings

USER_AGENT = "customer-portal/0.1"
CONNECT_TIMEOUT_SECONDS = 5.0
READ_ATTEMPTS = 3
PAGE = 100
MOST_PAGES = 100
MARKER = "sfOrderId="
"""Order notes begin with this and the Salesforce order id: how fulfilment finds what an unanswered AddOrder did."""


class NewClient(Struct, frozen=True, kw_only=True):
    """What AddClient needs. The portal's password is not WHMCS's: a random one is set there."""

    email: str
    password: str
    firstname: str
    lastname: str
    phonenumber: str
    address1: str
    address2: str
    city: str
    state: str
    postcode: str
    country: str
    customer_number: str


class OrderLine(Struct, frozen=True, kw_only=True):
    """One product of an order; `billing_cycle` in WHMCS's request words: monthly, onetime, annually."""

    pid: str
    billing_cycle: str
    qty: int = 1
    domain: str = ""


class NewOrder(Struct, frozen=True, kw_only=True):
    """What AddOrder needs; no invoice and no mail (C30)."""

    whmcs_client_id: str
    salesforce_order_id: str
    lines: Sequence[OrderLine]
    payment_method: str


class WhmcsOrder(Struct, frozen=True):
    """An order as WHMCS has it; `service_ids` in the order of its lines."""

    order_id: str
    service_ids: tuple[str, ...]
    invoice_id: str | None
    status: str


class WhmcsClient:
    """Typed calls; every vendor error comes out as one of `app.errors`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gate = asyncio.Semaphore(settings.whmcs_concurrency)
        self._http = httpx.AsyncClient(
            verify=trusted(settings), trust_env=False, follow_redirects=False, headers={"User-Agent": USER_AGENT}
        )
        self._url = settings.whmcs_url.rstrip("/") + "/includes/api.php"

    @classmethod
    async def open(cls, settings: Settings) -> "WhmcsClient":
        """A client; nothing is called yet."""
        return cls(settings)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def call(
        self, action: str, params: Mapping[str, object] | None = None, *, write: bool = False
    ) -> dict[str, Any]:
        """One action.

        Raises:
            UpstreamUnavailable, UpstreamBusy: not done, may be repeated.
            OutcomeUnknown: a write that was sent and not answered.
            UpstreamRejected, UpstreamNotFound: refused, with WHMCS's sentence as reason.
            UpstreamAuthFailed, UpstreamMalformed
        """
        attempts = 1 if write else READ_ATTEMPTS
        for attempt in range(attempts):
            try:
                return await self._once(action, params or {}, write)
            except (UpstreamUnavailable, UpstreamMalformed):
                if attempt == attempts - 1:
                    raise
                await asyncio.sleep(random.uniform(0.05, 0.2) * 2**attempt)
        raise AssertionError("unreachable")

    async def _once(self, action: str, params: Mapping[str, object], write: bool) -> dict[str, Any]:
        settings = self._settings
        credentials = {"identifier": settings.whmcs_identifier, "secret": settings.whmcs_secret}
        fields = {"action": action, "responsetype": "json", **credentials, **form(params)}
        seconds = settings.whmcs_write_timeout_seconds if write else settings.whmcs_read_timeout_seconds
        try:
            async with self._gate:
                timeout = httpx.Timeout(seconds, connect=CONNECT_TIMEOUT_SECONDS)
                response = await self._http.post(self._url, data=fields, timeout=timeout)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise UpstreamUnavailable(WHMCS, action, repr(error)) from error
        except httpx.HTTPError as error:
            raise (OutcomeUnknown if write else UpstreamUnavailable)(WHMCS, action, repr(error)) from error
        return _answer(action, response, write)

    async def client(self, whmcs_client_id: str) -> Record:
        """A client's profile and billing address."""
        body = await self.call("GetClientsDetails", {"clientid": whmcs_client_id})
        return records.client(body, self._settings.whmcs_customer_number_field_id)

    async def client_by_email(self, email: str) -> Record | None:
        """The client with this address."""
        try:
            body = await self.call("GetClientsDetails", {"email": email})
        except UpstreamNotFound:
            return None
        return records.client(body, self._settings.whmcs_customer_number_field_id)

    async def client_id_by_email(self, email: str) -> str | None:
        """The id of the client with this address."""
        found = await self.client_by_email(email)
        return found.record_id if found else None

    async def add_client(self, new: NewClient) -> str:
        """Create a client with its customer number; returns the id. Not idempotent: look by address first."""
        fields = {name: getattr(new, name) for name in new.__struct_fields__}
        number, password = fields.pop("customer_number"), fields.pop("password")
        custom = serialized({self._settings.whmcs_customer_number_field_id: number})
        params = {**fields, "password2": password, "customfields": custom, "noemail": True}
        body = await self.call("AddClient", params, write=True)
        return _required(body, "clientid", "AddClient")

    async def update_client(self, whmcs_client_id: str, fields: Mapping[str, str]) -> None:
        """Change profile or address fields, in WHMCS's names."""
        await self.call("UpdateClient", {"clientid": whmcs_client_id, **fields}, write=True)

    async def invoices(self, whmcs_client_id: str) -> list[Record]:
        """All invoices of a client, in full."""
        rows = await self._pages("GetInvoices", {"userid": whmcs_client_id, "orderby": "id"}, "invoices", "invoice")
        details = [self.call("GetInvoice", {"invoiceid": identifier(row["id"])}) for row in rows]
        currencies = [text(row.get("currencycode")) for row in rows]
        found = await asyncio.gather(*details)
        return [records.invoice(detail, currency) for detail, currency in zip(found, currencies, strict=True)]

    async def invoice(self, invoice_id: str) -> Record:
        """One invoice in full. Its currency is its client's."""
        detail = await self.call("GetInvoice", {"invoiceid": invoice_id})
        owner = await self.client(identifier(detail.get("userid")))
        return records.invoice(detail, owner.data["currency_code"])

    async def services(self, whmcs_client_id: str) -> list[Record]:
        """All services of a client."""
        rows = await self._pages("GetClientsProducts", {"clientid": whmcs_client_id}, "products", "product")
        return [records.service(row) for row in rows]

    async def service(self, service_id: str) -> Record:
        """One service."""
        body = await self.call("GetClientsProducts", {"serviceid": service_id})
        rows = as_list(body.get("products"), "product")
        if not rows:
            raise UpstreamNotFound(WHMCS, "GetClientsProducts", f"no service {service_id}")
        return records.service(rows[0])

    async def pay_methods(self, whmcs_client_id: str) -> list[Record]:
        """The payment methods kept for a client."""
        body = await self.call("GetPayMethods", {"clientid": whmcs_client_id})
        return [records.pay_method(row, whmcs_client_id) for row in as_list(body.get("paymethods"), "paymethod")]

    async def gateways(self) -> list[Record]:
        """The payment gateways of the installation."""
        body = await self.call("GetPaymentMethods")
        return [records.gateway(row) for row in as_list(body.get("paymentmethods"), "paymentmethod")]

    async def find_order(self, whmcs_client_id: str, salesforce_order_id: str) -> WhmcsOrder | None:
        """The client's order whose notes name this Salesforce order."""
        rows = await self._pages("GetOrders", {"userid": whmcs_client_id}, "orders", "order")
        marker = f"{MARKER}{salesforce_order_id}"
        return next((_order(row) for row in rows if marker in text(row.get("notes"))), None)

    async def add_order(self, order: NewOrder) -> WhmcsOrder:
        """Place an order without invoice or mail. Not idempotent: look by `find_order` first and after a doubt."""
        params: dict[str, object] = {
            "clientid": order.whmcs_client_id,
            "paymentmethod": order.payment_method,
            "pid": [line.pid for line in order.lines],
            "billingcycle": [line.billing_cycle for line in order.lines],
            "qty": [line.qty for line in order.lines],
            "domain": [line.domain for line in order.lines],
            "notes": f"{MARKER}{order.salesforce_order_id}",
            "noinvoice": True,
            "noinvoiceemail": True,
            "noemail": True,
        }
        body = await self.call("AddOrder", params, write=True)
        services = text(body.get("serviceids") or body.get("productids"))
        invoice_id = identifier(body.get("invoiceid")) if str(body.get("invoiceid") or "0") != "0" else None
        return WhmcsOrder(_required(body, "orderid", "AddOrder"), _csv(services), invoice_id, "Pending")

    async def accept_order(self, order_id: str) -> None:
        """Accept a pending order. The portal provisions SIMs and hosting itself, so WHMCS sets nothing up."""
        await self.call("AcceptOrder", {"orderid": order_id, "sendemail": False}, write=True)

    async def sso_link(self, whmcs_client_id: str, *, destination: str, path: str | None = None) -> str:
        """A single-use link into WHMCS, good for at most 60 s. Hand it to the customer; never store or log it."""
        params = {"client_id": whmcs_client_id, "destination": destination, "sso_redirect_path": path}
        body = await self.call("CreateSsoToken", params, write=False)
        return text(body.get("redirect_url")) or _required(body, "redirect_url", "CreateSsoToken")

    async def validate_login(self, email: str, password: str) -> bool:
        """Whether these are a WHMCS user's credentials; a second factor does not matter for the proof."""
        try:
            await self.call("ValidateLogin", {"email": email, "password2": password}, write=True)
        except UpstreamRejected:
            return False
        return True

    async def _pages(
        self, action: str, params: Mapping[str, object], plural: str, singular: str
    ) -> list[dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        for page in range(MOST_PAGES):
            body = await self.call(action, {**params, "limitstart": page * PAGE, "limitnum": PAGE})
            found = as_list(body.get(plural), singular)
            rows |= {identifier(row["id"]): row for row in found}
            if not found or (page + 1) * PAGE >= int(body.get("totalresults") or 0):
                return list(rows.values())
        raise UpstreamMalformed(WHMCS, action, f"more than {MOST_PAGES} pages")


def _answer(action: str, response: httpx.Response, write: bool) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        body = None
    if response.status_code != 200:
        raise of_status(action, response.status_code, text(body.get("message")) if isinstance(body, dict) else "")
    if not isinstance(body, dict):
        # A hook or a PHP notice spoiled the answer: a write may well have been done.
        raise (OutcomeUnknown if write else UpstreamMalformed)(WHMCS, action, "the answer is not a JSON object")
    outcome = next((body[key] for key in ("result", "status") if body.get(key) in ("success", "error")), None)
    if outcome == "success":
        return body
    raise of_message(action, text(body.get("message")) or "no reason given")


def _required(body: Mapping[str, Any], name: str, action: str) -> str:
    """Success needs the expected id too; WHMCS is known to answer a bare warning for something it did not do."""
    value = identifier(body.get(name))
    if not value:
        raise OutcomeUnknown(WHMCS, action, f"success without {name}")
    return value


def _csv(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _order(row: Mapping[str, Any]) -> WhmcsOrder:
    lines = as_list(row.get("lineitems"), "lineitem")
    services = tuple(identifier(line["relid"]) for line in lines if str(line.get("type", "")).lower() == "product")
    invoice_id = identifier(row.get("invoiceid")) if str(row.get("invoiceid") or "0") != "0" else None
    return WhmcsOrder(identifier(row["id"]), services, invoice_id, text(row.get("status")))
