"""What a WHMCS installation stores. Dates are the server's local text as WHMCS writes it; money is Decimal, in the
client's currency."""

from dataclasses import dataclass, field
from decimal import Decimal

NO_DATE = "0000-00-00"
NO_TIME = "0000-00-00 00:00:00"
ZERO = Decimal("0.00")


@dataclass
class User:
    """A login. WHMCS has kept clients and users apart since version 8."""

    id: int
    firstname: str
    lastname: str
    email: str
    password_hash: str
    datecreated: str


@dataclass
class Client:
    """A billing account; `customfields` maps field id to value."""

    id: int
    owner_user_id: int
    firstname: str
    lastname: str
    email: str
    address1: str
    city: str
    state: str
    postcode: str
    country: str
    phonenumber: str
    datecreated: str
    companyname: str = ""
    address2: str = ""
    status: str = "Active"
    credit: Decimal = ZERO
    defaultgateway: str = ""
    notes: str = ""
    language: str = ""
    tax_id: str = ""
    taxexempt: bool = False
    currency: str = "JPY"
    allow_single_sign_on: bool = True
    customfields: dict[int, str] = field(default_factory=dict)


@dataclass
class Product:
    """A catalogue product with one price; `module` is the provisioning module, empty for none."""

    pid: int
    gid: int
    groupname: str
    name: str
    paytype: str
    price: Decimal
    description: str = ""
    module: str = ""
    type: str = "other"


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
    notes: str = ""
    qty: int = 1
    terminationdate: str = NO_DATE
    customfields: dict[int, str] = field(default_factory=dict)


@dataclass
class Item:
    """One line of an invoice."""

    id: int
    description: str
    amount: Decimal
    type: str = ""
    relid: int = 0
    taxed: bool = True


@dataclass
class Invoice:
    """A bill. Totals follow from its lines and are never stored."""

    id: int
    userid: int
    date: str
    duedate: str
    status: str
    paymentmethod: str
    created_at: str
    updated_at: str
    taxrate: Decimal = Decimal("10.000")
    credit: Decimal = ZERO
    datepaid: str = NO_TIME
    date_refunded: str = NO_TIME
    date_cancelled: str = NO_TIME
    last_capture_attempt: str = NO_TIME
    invoicenum: str = ""
    notes: str = ""
    items: list[Item] = field(default_factory=list)


@dataclass
class Transaction:
    """Money that came in or went out."""

    id: int
    userid: int
    invoiceid: int
    gateway: str
    date: str
    description: str
    amountin: Decimal
    transid: str
    amountout: Decimal = ZERO
    fees: Decimal = ZERO
    refundid: int = 0


@dataclass
class PayMethod:
    """A stored instrument: never more than brand, last four and expiry (`MM/YY`)."""

    id: int
    clientid: int
    card_type: str
    card_last_four: str
    expiry_date: str
    last_updated: str
    type: str = "RemoteCreditCard"
    description: str = ""
    gateway_name: str = "stripe"
    remote_token: str = ""
    bank_name: str = ""
    is_default: bool = False


@dataclass
class Order:
    """What was ordered in one go."""

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
    """A code that makes things cheaper. `value` is percent or money by `type`; `appliesto` empty is everything."""

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
class CreditEntry:
    """One change of a client's credit balance."""

    id: int
    clientid: int
    date: str
    description: str
    amount: Decimal
    relid: int = 0


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


@dataclass
class LogEntry:
    """One line of the activity log."""

    id: int
    clientid: int
    date: str
    description: str


@dataclass
class SsoToken:
    """A single sign-on token, good once and until `expires_at` (epoch seconds)."""

    clientid: int
    path: str
    expires_at: float


@dataclass
class Webhook:
    """One notice that the hook file put into its spool. `occurred_at` is UTC; ids are text, empty when unknown."""

    id: str
    event: str
    object: str
    record_id: str
    client_id: str
    occurred_at: str
    attempts: int = 0
    merged_into: str = ""
