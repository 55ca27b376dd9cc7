"""One WHMCS installation: its tables, settings and the spool of its webhook hook file. Pure data, pickled as it is."""

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal
from typing import Any

from sandbox.clock import Clock
from sandbox.whmcs.actions.errors import Refused
from sandbox.whmcs.automation import Automation
from sandbox.whmcs.gateway import Gateway
from sandbox.whmcs.state import (
    Client,
    CreditEntry,
    Invoice,
    LogEntry,
    PayMethod,
    SsoToken,
    Transaction,
    User,
    Webhook,
)
from sandbox.whmcs.state_services import Addon, CancelRequest, Order, Product, Promotion, Service, Upgrade

CUSTOMER_NUMBER_FIELD = 198
CUSTOM_FIELDS = {198: "Customer Number", 201: "Date of Birth", 202: "Gender", 203: "Nationality"}
SERVICE_FIELDS = {301: "OpportunityId"}
GATEWAYS = {"mailin": "Mail In Payment", "stripe": "Credit Card", "banktransfer": "Bank Transfer"}
CURRENCIES = {"JPY": (1, "¥", " JPY", 4), "USD": (2, "$", " USD", 2)}
"""Code → id, prefix, suffix, format."""
WHOLE = 4
"""The format of a currency without decimals."""
CARD_GATEWAY = "stripe"
TAX_PERCENT = Decimal("10.000")
MOST_SPOOLED = 20_000
MOST_LOGGED = 5_000

FIRST_IDS = {
    "client": 3_001,
    "user": 8_001,
    "service": 20_001,
    "invoice": 60_001,
    "item": 1,
    "transaction": 1,
    "pay_method": 1,
    "order": 5_001,
    "addon": 1,
    "cancel_request": 1,
    "credit": 1,
    "upgrade": 1,
    "log": 1,
}


@dataclass
class Access:
    """The callers of the API and their permissions."""

    identifier: str = "sandboxIdentifier000000000000000"
    secret: str = "sandboxSecret0000000000000000000"
    access_key: str = "sandbox-access-key"
    allowed_ips: set[str] = field(default_factory=lambda: {"127.0.0.1", "::1"})
    api_access: bool = True
    denied_actions: set[str] = field(default_factory=set)


@dataclass
class Dialect:
    """What releases of WHMCS spell differently, and the lists that this installation leaves out."""

    yes: Any = True
    no: Any = False
    """Of `isOwner` and `is_owner`."""

    two_factor_on: Any = True
    two_factor_off: Any = False
    """Of `twoFactorEnabled`."""

    ignores: tuple[str, ...] = ()
    """Fields of UpdateClientProduct that a hook of this installation overrules without saying so."""

    users_list_clients: bool = True
    clients_list_users: bool = True


@dataclass
class Install:
    """All tables by id. `revision` counts changes, so that a snapshot knows whether anything is new."""

    system_url: str = ""
    webhook_url: str = ""
    webhook_secret: str = "whsec_sandbox_0123456789abcdef"
    version: str = "8.13.1-release.1"
    access: Access = field(default_factory=Access)
    dialect: Dialect = field(default_factory=Dialect)
    clients: dict[int, Client] = field(default_factory=dict)
    users: dict[int, User] = field(default_factory=dict)
    memberships: dict[int, set[int]] = field(default_factory=dict)
    """User → the clients that it may log in for without owning them."""

    tax_enabled: bool = True
    tax_type: str = "Exclusive"
    """Or `Inclusive`: every price contains the tax."""

    products: dict[int, Product] = field(default_factory=dict)
    services: dict[int, Service] = field(default_factory=dict)
    invoices: dict[int, Invoice] = field(default_factory=dict)
    transactions: dict[int, Transaction] = field(default_factory=dict)
    pay_methods: dict[int, PayMethod] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    promotions: dict[int, Promotion] = field(default_factory=dict)
    addons: dict[int, Addon] = field(default_factory=dict)
    cancel_requests: dict[int, CancelRequest] = field(default_factory=dict)
    credits: dict[int, CreditEntry] = field(default_factory=dict)
    upgrades: dict[int, Upgrade] = field(default_factory=dict)
    automation: Automation = field(default_factory=Automation)
    gateway: Gateway = field(default_factory=Gateway)
    activity: list[LogEntry] = field(default_factory=list)
    tokens: dict[str, SsoToken] = field(default_factory=dict)
    sessions: dict[str, int] = field(default_factory=dict)
    return_origins: tuple[str, ...] = ()
    """The origins of the hook file that leads customers back; none: it is not installed."""

    returns: dict[str, str] = field(default_factory=dict)
    """Session → the address to lead back to."""

    gateways: dict[str, str] = field(default_factory=lambda: dict(GATEWAYS))
    spool: list[Webhook] = field(default_factory=list)
    next_ids: dict[str, int] = field(default_factory=lambda: dict(FIRST_IDS))
    revision: int = 0
    listeners: list[Callable[[], None]] = field(default_factory=list)
    """Woken when the spool has news; not part of the data."""

    muted: bool = False
    """Hooks fire nothing while this is set: changes behind WHMCS's back."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "listeners": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Fill in what a snapshot of an earlier release lacks."""
        self.__dict__.update({**Install().__dict__, **state})

    def new_id(self, series: str) -> int:
        """Return the next number of a table."""
        self.next_ids[series] += 1
        return self.next_ids[series] - 1

    def changed(self) -> None:
        """Say that something was written."""
        self.revision += 1

    @contextmanager
    def hooks_off(self, off: bool) -> Iterator[None]:
        """Keep changes inside the block from firing hooks when `off`."""
        self.muted = off
        try:
            yield
        finally:
            self.muted = False

    def client(self, client_id: int, message: str = "Client ID Not Found") -> Client:
        """Return a client by id, or refuse in the action's own words."""
        found = self.clients.get(client_id)
        if found is None:
            raise Refused(message)
        return found

    def client_by_email(self, email: str) -> Client | None:
        """Return the client with this address."""
        return next((each for each in self.clients.values() if each.email.lower() == email.lower()), None)

    def invoice(self, invoice_id: int, message: str = "Invoice ID Not Found") -> Invoice:
        """Return an invoice by id, or refuse."""
        found = self.invoices.get(invoice_id)
        if found is None:
            raise Refused(message)
        return found

    def service(self, service_id: int, message: str = "Service ID Not Found") -> Service:
        """Return a service by id, or refuse."""
        found = self.services.get(service_id)
        if found is None:
            raise Refused(message)
        return found

    def forget(self, client: Client) -> None:
        """Drop what belonged to a client that was deleted. Its logins are the caller's business."""
        by_client: tuple[dict[int, Any], ...] = (self.services, self.pay_methods)
        for table in by_client:
            for key in [key for key, row in table.items() if row.clientid == client.id]:
                del table[key]
        by_user: tuple[dict[int, Any], ...] = (self.invoices, self.orders, self.transactions, self.addons)
        for owned in by_user:
            for key in [key for key, row in owned.items() if row.userid == client.id]:
                del owned[key]

    def merge(self, gone: Client, into: Client) -> None:
        """Give everything of one client to another, and drop the first. Its custom fields are lost."""
        by_client: tuple[dict[int, Any], ...] = (self.services, self.pay_methods)
        for table in by_client:
            for row in table.values():
                row.clientid = into.id if row.clientid == gone.id else row.clientid
        by_user: tuple[dict[int, Any], ...] = (self.invoices, self.orders, self.transactions, self.addons)
        for owned in by_user:
            for row in owned.values():
                row.userid = into.id if row.userid == gone.id else row.userid
        into.credit += gone.credit
        del self.clients[gone.id]
        self.changed()

    def log(self, clock: Clock, description: str, client_id: int = 0) -> None:
        """Add a line to the activity log."""
        at = str(clock.local())
        self.activity.append(LogEntry(self.new_id("log"), client_id, at, description))
        del self.activity[:-MOST_LOGGED]

    def fire(
        self, clock: Clock, event: str, object_name: str, record_id: object, client_id: int, *, merged_into: str = ""
    ) -> None:
        """Fire a hook point: the hook file spools a notice if it knows where to send it."""
        self.changed()
        if self.muted or not self.webhook_url:
            return
        occurred_at = clock.now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        notice = Webhook(
            f"msg_{secrets.token_hex(12)}", event, object_name, str(record_id), str(client_id), occurred_at
        )
        notice.merged_into = merged_into
        notice.upgrades = self._upgrades_on(record_id) if object_name == "invoice" else ()
        self.spool.append(notice)
        del self.spool[:-MOST_SPOOLED]
        for wake in self.listeners:
            wake()

    def _upgrades_on(self, invoice_id: object) -> tuple[tuple[str, str], ...]:
        """List the upgrades on an invoice with their services, as the hook file finds them in the tables."""
        invoice = self.invoices.get(int(str(invoice_id)))
        lines = [item.relid for item in invoice.items if item.type == "Upgrade"] if invoice else []
        return tuple((str(each), str(self.upgrades[each].serviceid)) for each in lines if each in self.upgrades)


def page_of(rows: Iterable[Any], start: int, limit: int) -> tuple[int, list[Any]]:
    """Return the number of rows, and those of one page."""
    everything = list(rows)
    return len(everything), everything[start : start + limit]
