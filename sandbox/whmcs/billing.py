"""Invoice arithmetic and what happens when money arrives."""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from sandbox.clock import Clock
from sandbox.whmcs import prices
from sandbox.whmcs.cycles import MONTHS, months_later, parse_date
from sandbox.whmcs.gateway import Decline, written
from sandbox.whmcs.install import CARD_GATEWAY, TAX_PERCENT, Install
from sandbox.whmcs.state import NO_DATE, ZERO, Client, CreditEntry, Invoice, Item, PayMethod, Transaction
from sandbox.whmcs.state_services import Service

COLLECTED = "Invoice"
"""The type of a line that stands for another invoice and pays it."""


@dataclass(frozen=True)
class Totals:
    """The sums that follow from an invoice's lines and payments."""

    subtotal: Decimal
    tax: Decimal
    total: Decimal
    balance: Decimal


def totals(install: Install, invoice: Invoice) -> Totals:
    """`total` is lines plus tax minus credit, `balance` what is still to be paid of it. Where prices contain the tax,
    it is a part of the lines."""
    subtotal = sum((item.amount for item in invoice.items), ZERO)
    taxed = sum((item.amount for item in invoice.items if item.taxed), ZERO)
    included = install.tax_type == "Inclusive"
    tax = taxed * invoice.taxrate / (100 + invoice.taxrate if included else 100)
    tax = tax.quantize(Decimal("0.01"), ROUND_HALF_UP)
    subtotal -= tax if included else ZERO
    total = subtotal + tax - invoice.credit
    paid = sum((each.amountin - each.amountout for each in payments(install, invoice)), ZERO)
    return Totals(subtotal, tax, total, total - paid)


def payments(install: Install, invoice: Invoice) -> list[Transaction]:
    """Return the transactions of an invoice, oldest first."""
    return [each for each in install.transactions.values() if each.invoiceid == invoice.id]


def pay_methods(install: Install, client_id: int) -> list[PayMethod]:
    """Return a client's payment methods: the one that is charged first, then the oldest."""
    found = [each for each in install.pay_methods.values() if each.clientid == client_id]
    return sorted(found, key=lambda each: not each.is_default)


def new_invoice(
    install: Install,
    clock: Clock,
    client: Client,
    items: list[Item],
    *,
    due: date,
    gateway: str,
    status: str = "Unpaid",
) -> Invoice:
    """Make an invoice; hooks are the caller's business."""
    rate = TAX_PERCENT if install.tax_enabled and not client.taxexempt else Decimal("0.000")
    now, today = str(clock.local()), clock.today().isoformat()
    invoice = Invoice(
        install.new_id("invoice"), client.id, today, due.isoformat(), status, gateway, now, now, rate, items=items
    )
    install.invoices[invoice.id] = invoice
    install.changed()
    return invoice


def service_items(install: Install, service: Service, cycle_start: date) -> list[Item]:
    """Return the lines that bill one cycle of a service and of its add-ons."""
    product = install.products.get(service.pid)
    name = product.name if product else "Unknown Product"
    first = service.nextinvoicedate == service.regdate
    amount = service.firstpaymentamount if first else service.recurringamount
    months = MONTHS.get(service.billingcycle, 0)
    text = f"{name} - {service.domain}" if service.domain else name
    period = ""
    if months:
        last = date.fromordinal(months_later(cycle_start, months).toordinal() - 1)
        period = f" ({cycle_start:%d/%m/%Y} - {last:%d/%m/%Y})"
    return [
        Item(install.new_id("item"), f"{text}{period}", amount, "Hosting", service.id),
        *(
            Item(install.new_id("item"), f"{each.name}{period}", each.recurring, "Addon", each.id)
            for each in install.addons.values()
            if each.serviceid == service.id and each.status == "Active" and each.billingcycle == service.billingcycle
        ),
    ]


def advance(service: Service) -> None:
    """Note that the cycle at `nextinvoicedate` is billed."""
    start, months = parse_date(service.nextinvoicedate), MONTHS.get(service.billingcycle, 0)
    anchor = parse_date(service.regdate)
    if start is None or not months:
        service.nextinvoicedate = NO_DATE
        return
    service.nextinvoicedate = months_later(start, months, anchor.day if anchor else 0).isoformat()


def receive(
    install: Install,
    clock: Clock,
    invoice: Invoice,
    amount: Decimal,
    *,
    gateway: str,
    transid: str,
    date_text: str = "",
) -> bool:
    """Book a payment with its hooks. Return whether the invoice is paid now. An overpayment becomes credit."""
    balance = totals(install, invoice).balance
    now = date_text or str(clock.local())
    payment = Transaction(
        install.new_id("transaction"), invoice.userid, invoice.id, gateway, now, "Invoice Payment", amount, transid
    )
    install.transactions[payment.id] = payment
    invoice.updated_at = str(clock.local())
    install.log(clock, f"Added Invoice Payment - Invoice ID: {invoice.id}", invoice.userid)
    install.fire(clock, "AddInvoicePayment", "invoice", invoice.id, invoice.userid)
    if amount > balance:
        add_credit(install, clock, invoice.userid, amount - balance, f"Invoice #{invoice.id} Overpayment", invoice.id)
    if amount >= balance and invoice.status != "Paid":
        settle(install, clock, invoice, now)
    return invoice.status == "Paid"


def settle(install: Install, clock: Clock, invoice: Invoice, paid_at: str) -> None:
    """Set an invoice to paid: services are renewed, waiting upgrades take effect, InvoicePaid fires last."""
    invoice.status, invoice.datepaid, invoice.updated_at = "Paid", paid_at, str(clock.local())
    for item in invoice.items:
        collected = install.invoices.get(item.relid) if item.type == COLLECTED else None
        if collected is not None and collected.status == "Unpaid":
            # As the vendor says: the originals get credit and are paid, and show no transaction of their own.
            collected.credit += totals(install, collected).balance
            settle(install, clock, collected, paid_at)
        service = install.services.get(item.relid) if item.type == "Hosting" else None
        if service is not None and service.nextinvoicedate != NO_DATE:
            service.nextduedate = service.nextinvoicedate
    for upgrade in install.upgrades.values():
        if upgrade.invoiceid == invoice.id and upgrade.status == "Pending":
            take_effect(install, clock, upgrade.id)
    install.fire(clock, "InvoicePaid", "invoice", invoice.id, invoice.userid)


def take_effect(install: Install, clock: Clock, upgrade_id: int) -> None:
    """Apply an upgrade to its service: from now on it costs what the product does, in the client's currency."""
    upgrade = install.upgrades[upgrade_id]
    service, product = install.services[upgrade.serviceid], install.products[upgrade.newproductid]
    price = prices.amount(product, install.clients[service.clientid].currency, upgrade.billingcycle)
    service.pid, service.recurringamount, service.billingcycle = product.pid, price or ZERO, upgrade.billingcycle
    upgrade.status = "Completed"
    install.fire(clock, "AfterProductUpgrade", "service", service.id, service.clientid)


def add_credit(
    install: Install, clock: Clock, client_id: int, amount: Decimal, description: str, relid: int = 0
) -> None:
    """Change a client's credit balance. No hook fires."""
    entry = CreditEntry(install.new_id("credit"), client_id, clock.today().isoformat(), description, amount, relid)
    install.credits[entry.id] = entry
    install.clients[client_id].credit += amount
    install.changed()


def charge_card(
    install: Install, clock: Clock, invoice: Invoice, method: PayMethod | str, transid: str
) -> Decline | None:
    """Charge a stored method, or the last four digits of a card that is typed in, with the whole balance.

    Return why the gateway declined it, None if it did not.
    """
    invoice.last_capture_attempt = str(clock.local())
    install.changed()
    number, last_four = (0, method) if isinstance(method, str) else (method.id, method.card_last_four)
    gateway, owner = install.gateway, (invoice.id, invoice.userid)
    declined = gateway.decline_of(invoice.userid, number, last_four)
    if declined:
        if declined.tells == "log":
            client = install.clients[invoice.userid]
            text = written(declined, invoice.id, f"{client.firstname} {client.lastname}")
            gateway.note(clock, CARD_GATEWAY, "Declined", text, owner)
        return declined
    gateway.note(clock, CARD_GATEWAY, "Successful", f"[id] => {transid}", owner)
    if gateway.pending:
        invoice.status, invoice.updated_at = "Payment Pending", str(clock.local())
        return None
    receive(install, clock, invoice, totals(install, invoice).balance, gateway=CARD_GATEWAY, transid=transid)
    return None
