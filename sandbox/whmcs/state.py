"""The tables of a WHMCS installation. Dates are the server's local text as WHMCS writes it; money is Decimal, in the
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
    second_factor: bool = False


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
    billingcid: int = 0
    """The contact that invoices are addressed to; 0 for the client itself."""

    groupid: int = 0
    latefeeoveride: bool = False
    overideduenotices: bool = False
    disableautocc: bool = False
    allow_single_sign_on: bool = True
    customfields: dict[int, str] = field(default_factory=dict)


@dataclass
class ClientGroup:
    """A group of clients. WHMCS's daily run neither suspends nor terminates the services of an exempt one."""

    id: int
    groupname: str
    susptermexempt: bool = False
    separateinvoices: bool = False
    discountpercent: Decimal = ZERO
    groupcolour: str = "#ffffff"


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
class CreditEntry:
    """One change of a client's credit balance."""

    id: int
    clientid: int
    date: str
    description: str
    amount: Decimal
    relid: int = 0


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
    upgrades: tuple[tuple[str, str], ...] = ()
    """Of an invoice: its upgrades, each with its service."""
