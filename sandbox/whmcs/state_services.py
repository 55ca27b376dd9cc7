"""The tables of a WHMCS installation about what it sells: products, orders, services and requests to change them. Dates
and money are as in `state`."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sandbox.whmcs.state import NO_DATE


@dataclass
class Product:
    """A catalogue product; `module` is the provisioning module, empty for none.

    `price` is what a month costs in yen, or once. `pricing` has what differs from that: currency, then a cycle or a
    set-up fee (`quarterly`, `msetupfee`); -1 for a cycle that is not offered.
    """

    pid: int
    gid: int
    groupname: str
    name: str
    paytype: str
    price: Decimal
    description: str = ""
    module: str = ""
    type: str = "other"
    pricing: dict[str, dict[str, Decimal]] = field(default_factory=dict)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Fill in what a snapshot of an earlier release lacks."""
        self.__dict__.update({"pricing": {}, **state})


@dataclass
class Service:
    """A product that a client has. `nextinvoicedate` is when the daily run bills it next, NO_DATE for never again."""

    id: int
    clientid: int
    orderid: int
    pid: int
    regdate: str
    billingcycle: str
    firstpaymentamount: Decimal
    recurringamount: Decimal
    paymentmethod: str
    nextduedate: str
    nextinvoicedate: str
    status: str = "Pending"
    domain: str = ""
    username: str = ""
    password: str = ""
    suspensionreason: str = ""
    overideautosuspend: bool = False
    overidesuspenduntil: str = NO_DATE
    """The day before which WHMCS's daily run does not suspend it, if `overideautosuspend` says so."""

    notes: str = ""
    qty: int = 1
    terminationdate: str = NO_DATE
    promoid: int = 0
    customfields: dict[int, str] = field(default_factory=dict)


@dataclass
class Order:
    """One order with everything that was ordered together."""

    id: int
    ordernum: int
    userid: int
    date: str
    paymentmethod: str
    amount: Decimal
    status: str = "Pending"
    invoiceid: int = 0
    notes: str = ""
    promocode: str = ""
    ipaddress: str = ""
    service_ids: list[int] = field(default_factory=list)


@dataclass
class Promotion:
    """A code that makes things cheaper. `value` is percent, money off or the price itself, by `type`; `appliesto` and
    `cycles` empty are everything."""

    id: int
    code: str
    type: str
    value: Decimal
    recurring: bool = False
    appliesto: tuple[int, ...] = ()
    startdate: str = "0000-00-00"
    expirationdate: str = "0000-00-00"
    maxuses: int = 0
    uses: int = 0
    cycles: str = ""
    requires: tuple[int, ...] = ()
    requiresexisting: bool = False
    newsignups: bool = False
    existingclient: bool = False
    onceperclient: bool = False
    applyonce: bool = False
    lifetimepromo: bool = False
    upgrades: bool = False
    recurfor: int = 0


@dataclass
class Addon:
    """Something sold with a service and billed with it; not a product of its own."""

    id: int
    userid: int
    orderid: int
    serviceid: int
    name: str
    recurring: Decimal
    billingcycle: str
    regdate: str
    nextduedate: str
    status: str = "Active"


@dataclass
class CancelRequest:
    """A request to cancel a service."""

    id: int
    date: str
    relid: int
    reason: str
    type: str


@dataclass
class Upgrade:
    """A change of product that waits for its invoice."""

    id: int
    serviceid: int
    orderid: int
    invoiceid: int
    newproductid: int
    billingcycle: str
    status: str = "Pending"
