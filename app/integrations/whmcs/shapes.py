"""New clients and orders for WHMCS, and the orders it returns."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct


class NewClient(Struct, frozen=True, kw_only=True):
    """The input of AddClient. WHMCS gets a random password, not the portal's. Without a language it takes its own."""

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
    language: str = ""


class OrderLine(Struct, frozen=True, kw_only=True):
    """A product of an order; `billing_cycle` in WHMCS's request terms: monthly, onetime, annually.

    `price`, in the client's currency, replaces WHMCS's own.
    """

    pid: str
    billing_cycle: str
    qty: int = 1
    domain: str = ""
    price: Decimal | None = None


class NewServiceOrder(Struct, frozen=True, kw_only=True):
    """The input of AddOrder. There is no invoice and no mail, unless it is `invoiced`: paid before provisioning."""

    whmcs_client_id: str
    salesforce_order_id: str
    lines: Sequence[OrderLine]
    payment_method: str
    promo_code: str = ""
    invoiced: bool = False


class WhmcsOrder(Struct, frozen=True):
    """An order in WHMCS; `service_ids` are in the order of its lines."""

    order_id: str
    service_ids: tuple[str, ...]
    invoice_id: str | None
    status: str
