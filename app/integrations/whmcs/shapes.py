"""What the portal asks WHMCS to make, and the orders it gets back."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct


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
    """One product of an order; `billing_cycle` in WHMCS's request words: monthly, onetime, annually. `price` in the
    client's currency stands in for WHMCS's own."""

    pid: str
    billing_cycle: str
    qty: int = 1
    domain: str = ""
    price: Decimal | None = None


class NewServiceOrder(Struct, frozen=True, kw_only=True):
    """What AddOrder needs. No invoice and no mail, unless it is `invoiced`: to be paid before it is provided (C30)."""

    whmcs_client_id: str
    salesforce_order_id: str
    lines: Sequence[OrderLine]
    payment_method: str
    promo_code: str = ""
    invoiced: bool = False


class WhmcsOrder(Struct, frozen=True):
    """An order as WHMCS has it; `service_ids` in the order of its lines."""

    order_id: str
    service_ids: tuple[str, ...]
    invoice_id: str | None
    status: str
