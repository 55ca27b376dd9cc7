"""The first screen of an account in one statement.

Reads: read_model.invoices, subscriptions, orders, pending, profiles, payment_methods, timeline;
portal.notification_reads; and what `account_age` reads.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec

from app.calendar import today
from app.money import money
from app.queries.order_prices import priced_for
from app.queries.reading import account_age
from app.queries.reading.store import Answer, FetchedRow, Store, etag_of
from app.readmodels.billing.dunning import Dunning, most_urgent
from app.readmodels.invoices import InvoiceSummary
from app.readmodels.notifications import UNREAD
from app.readmodels.ordering.order_life import CLOSED, NextStep
from app.readmodels.orders import OrderSummary
from app.readmodels.payment_methods import PaymentMethod
from app.readmodels.subscriptions import Subscription
from app.readmodels.summary import OnFile, OpenOrders, Owed, Renewal, Summary, Task
from app.words.sentence import Sentence, say, together
from app.words.worded import sentence_in

RESOURCES = ("client_invoices", "client_services", "pay_methods")
MOST_SHOWN = 10
ORDER_TASKS: Mapping[NextStep, tuple[Callable[[str], Sentence], Sentence]] = {
    "add_payment_method": (
        lambda number: say("tasks.order_waits_for_method", number=number),
        say("tasks.your_order_waits_for_method"),
    ),
    "pay_invoice": (
        lambda number: say("tasks.order_waits_for_payment", number=number),
        say("tasks.your_order_waits_for_payment"),
    ),
    "contact_support": (
        lambda number: say("tasks.order_needs_support", number=number),
        say("tasks.your_order_needs_support"),
    ),
}
"""What the customer does next about an open order → the task, for an order with and without a number."""

_OWED = (
    "account_id = $1 AND status IN ('unpaid', 'collections') AND (balance > 0 OR balance IS NULL) AND NOT collective"
)
_OPEN = f"account_id = $1 AND status NOT IN {CLOSED}"
_PENDING = """
p.account_id = $1 AND p.slice = 'orders' AND p.document IS NOT NULL
AND NOT EXISTS (SELECT FROM read_model.orders o WHERE o.account_id = $1 AND o.order_id = p.item_id)
"""
_SUMMARY = f"""
SELECT {account_age.COLUMNS},
       (SELECT currency FROM read_model.profiles WHERE account_id = $1) AS currency,
       ARRAY(SELECT summary FROM read_model.invoices WHERE {_OWED} ORDER BY due_on, sort_id) AS owed,
       ARRAY(SELECT status || ' ' || count(*) FROM read_model.subscriptions WHERE account_id = $1 GROUP BY status
             ORDER BY status) AS services,
       (SELECT document FROM read_model.subscriptions WHERE account_id = $1 AND status = 'active' AND amount > 0
        AND next_due_on IS NOT NULL ORDER BY next_due_on, sort_id LIMIT 1) AS renewal,
       (SELECT count(*) FROM read_model.orders WHERE {_OPEN}) AS open_orders,
       (SELECT count(*) FROM read_model.pending p WHERE {_PENDING}) AS pending_orders,
       ARRAY(SELECT p.summary FROM read_model.pending p WHERE {_PENDING} ORDER BY p.created_at DESC LIMIT {MOST_SHOWN})
       || ARRAY(SELECT summary FROM read_model.orders WHERE {_OPEN} ORDER BY placed_at DESC, order_id DESC
                LIMIT {MOST_SHOWN}) AS orders,
       ARRAY(SELECT document FROM read_model.payment_methods WHERE account_id = $1 ORDER BY sort_id) AS methods,
       ({UNREAD}) AS unread
FROM portal.id_mappings m WHERE m.account_id = $1
"""


async def summary(store: Store, account_id: UUID) -> Answer:
    """Summarise an account: what it owes and has, its open orders, and what the customer should do.

    Raises:
        NotReady: a part of it was never read.
    """
    row = await store.pool.fetchrow(_SUMMARY, account_id, store.catalog_feed)
    freshness = await account_age.from_row(store, account_id, row, RESOURCES)
    assert row is not None, "from_row raises without a row"
    body = msgspec.json.encode(_summary(row, today(row["country"], store.time_zone)))
    return account_age.build_answer(body, etag_of(body), freshness)


def _summary(row: FetchedRow, day: date) -> Summary:
    unpaid = [msgspec.json.decode(each, type=InvoiceSummary) for each in row["owed"]]
    overdue = [each for each in unpaid if each.due_on and each.status == "unpaid" and each.due_on < day]
    placed = [msgspec.json.decode(each, type=OrderSummary) for each in row["orders"][:MOST_SHOWN]]
    orders = [priced_for(each, row["currency"]) for each in placed]
    methods = [msgspec.json.decode(each, type=PaymentMethod) for each in row["methods"]]
    dunning = most_urgent([each.dunning for each in unpaid if each.dunning])
    return Summary(
        open=_owed(unpaid),
        overdue=_owed(overdue),
        next_due=next((each for each in unpaid if each.due_on and each.due_on >= day), None),
        next_renewal=_renewal(row["renewal"]),
        services={word: int(count) for word, count in (each.split(" ") for each in row["services"])},
        open_orders=OpenOrders(count=row["open_orders"] + row["pending_orders"], items=orders),
        payment_method=OnFile(on_file=bool(methods), usable=sum(not _expired(each, day) for each in methods)),
        unread_notifications=row["unread"],
        tasks=[*_billing_tasks(overdue, dunning), *_method_tasks(methods, day), *_order_tasks(orders)],
        dunning=dunning,
    )


def _owed(invoices: Sequence[InvoiceSummary]) -> Owed:
    sums: dict[str, Decimal] = {}
    known = [each.balance for each in invoices if each.balance is not None]
    for balance in known:
        sums[balance.currency] = sums.get(balance.currency, Decimal()) + Decimal(balance.amount)
    amounts = [money(amount, currency) for currency, amount in sorted(sums.items())]
    return Owed(
        count=len(invoices),
        amounts=amounts,
        incomplete=len(known) < len(invoices),
        items=list(invoices[:MOST_SHOWN]),
    )


def _renewal(document: bytes | None) -> Renewal | None:
    if document is None:
        return None
    service = msgspec.json.decode(document, type=Subscription)
    assert service.next_due_on is not None, "the statement selects services that are billed again"
    assert service.amount is not None, "and that cost something"
    return Renewal(
        subscription_id=service.subscription_id, name=service.name, due_on=service.next_due_on, amount=service.amount
    )


def _billing_tasks(overdue: Sequence[InvoiceSummary], dunning: Dunning | None) -> Iterator[Task]:
    """Yield one task about everything that is to be paid now; what would be suspended first is named."""
    if dunning is not None and dunning.state != "paused":
        others = len([each for each in overdue if each.invoice_id != dunning.invoice_id])
        more = say("dunning.others_overdue", count=others) if others else None
        text = together(sentence_in(dunning, "text"), more)
        yield Task(kind="pay_overdue_invoices", text=text, invoice_id=dunning.invoice_id)
    elif len(overdue) == 1:
        text = say("tasks.pay_invoice", number=overdue[0].number)
        yield Task(kind="pay_overdue_invoices", text=text, invoice_id=overdue[0].invoice_id)
    elif overdue:
        yield Task(kind="pay_overdue_invoices", text=say("tasks.pay_invoices", count=len(overdue)))


def _method_tasks(methods: Sequence[PaymentMethod], day: date) -> Iterator[Task]:
    if not methods:
        yield Task(kind="add_payment_method", text=say("tasks.add_method"))
    for each in methods:
        if each.expires and each.expires <= f"{day:%Y-%m}":
            text = _expiry(each.brand, each.last_four, _expired(each, day))
            yield Task(kind="update_payment_method", text=text, payment_method_id=each.payment_method_id)


def _expiry(brand: str | None, last_four: str | None, has_expired: bool) -> Sentence:
    """Say that a payment method has expired, or does at the end of the month, by what it shows of itself."""
    if brand and last_four:
        return (
            say("tasks.card_expired", brand=brand, last_four=last_four)
            if has_expired
            else say("tasks.card_expires", brand=brand, last_four=last_four)
        )
    if brand:
        return say("tasks.method_expired", brand=brand) if has_expired else say("tasks.method_expires", brand=brand)
    if last_four:
        return (
            say("tasks.unnamed_card_expired", last_four=last_four)
            if has_expired
            else say("tasks.unnamed_card_expires", last_four=last_four)
        )
    return say("tasks.unnamed_expired") if has_expired else say("tasks.unnamed_expires")


def _order_tasks(orders: Sequence[OrderSummary]) -> Iterator[Task]:
    for each in orders:
        if task := ORDER_TASKS.get(each.next_step):
            text = task[0](each.order_number) if each.order_number else task[1]
            yield Task(kind="unblock_order", text=text, order_id=each.order_id)


def _expired(method: PaymentMethod, day: date) -> bool:
    """Return true after the last day of the card's month."""
    return method.expires is not None and method.expires < f"{day:%Y-%m}"
