"""Subscriptions: a WHMCS service with its add-ons, cancellation and plan change → one row.

A fee (activation, installation) is a service to WHMCS, active until it is closed. Here it is a charge, and so not in
order rules, catalog, summary or lists.

Amounts are in the client's currency, and unknown until that is known. A plan change is pending until the service has
the new product, or its invoice is cancelled. A future-dated one is the portal's own record; it is not shown for a
service that is to end.

Reads: whmcs service, addon, cancel_request, upgrade, scheduled_change, provider_state, service_dunning, client; refers
to invoice, and to salesforce Product2 and Order. Writes: read_model.subscriptions.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from app.events import Record
from app.inputs.domain import unicode_form
from app.intake.billing_cycles import cycle_of
from app.projections.parts import dunning, provider_sentences
from app.projections.parts.categories import group_categories
from app.projections.parts.fields import amount, day, plain, shown
from app.projections.parts.search_text import search_text
from app.projections.parts.services import (
    ORDER_OF_SERVICE,
    PRODUCT_OF_SERVICE,
    ServiceKind,
    kind_of,
    order_of,
    sku_of,
)
from app.projections.parts.vocabulary import known
from app.projections.projector import Group, Lookup, Projected, Projector
from app.readmodels.billing.dunning import OF_SERVICE
from app.readmodels.pricing.prices import currency_code
from app.readmodels.services import RUNNING
from app.readmodels.subscriptions import (
    OVERDUE_TEXT,
    STATUS_TEXTS,
    TABLE,
    Addon,
    Cancellation,
    PendingChange,
    ScheduledChange,
    Subscription,
    When,
)
from app.settings import Settings
from app.words.sentence import Sentence, say, together

STATUSES = {word: word for word in STATUS_TEXTS if word != "unknown"}
WHENS: dict[str, When] = {"Immediate": "now", "End of Billing Period": "end_of_period"}
DEAD_INVOICES = ("Cancelled", "Refunded")
_LINE = re.compile(r"[0-9]{10,14}")


def projector(settings: Settings) -> Projector:
    """Build the projector of subscriptions.

    Raises:
        SettingsError: `WHMCS_GROUP_CATEGORIES` names an unknown category.
    """
    categories = group_categories(settings.whmcs_group_categories)

    def project(group: Group) -> Projected:
        found = [_row(record, group, categories) for record in group.of("service")]
        return Projected(rows=[row for row in found if row is not None])

    return Projector(
        name="subscriptions",
        version=9,
        source="whmcs",
        scope="record",
        root="service",
        reads=("service", "addon", "cancel_request", "upgrade", "scheduled_change", "provider_state", OF_SERVICE),
        owner_context=("client",),
        lookups=(
            Lookup(target="invoice", referrer="upgrade", field="invoice_id"),
            Lookup(target="invoice", referrer=OF_SERVICE, field="invoice_id"),
            PRODUCT_OF_SERVICE,
            ORDER_OF_SERVICE,
        ),
        table=TABLE,
        project=project,
    )


def currency_for(record: Record, group: Group) -> str:
    """Return the currency of the client; empty while that is unknown."""
    client = group.context.get(("client", record.owner_id or ""))
    return currency_code(plain(client.data.get("currency_code"))) if client else ""


def amount_in(value: Any, currency: str) -> Decimal | None:
    """Parse an amount of a service; None if it is unreadable, or in an unknown currency."""
    return amount(value, currency) if currency else None


def _row(record: Record, group: Group, categories: Mapping[str, str]) -> dict[str, Any] | None:
    kind = kind_of(record, group, categories)
    if kind.is_charge:
        return None
    data, currency = record.data, currency_for(record, group)
    subscription = _subscription(record, group, currency, kind)
    cancellation, body = subscription.cancellation, msgspec.json.encode(subscription)
    return {
        "subscription_id": record.record_id,
        "product_id": plain(data.get("pid")) or None,
        "product_name": plain(data.get("name")),
        "category": subscription.category,
        "item_class": subscription.item_class,
        "domain": plain(data.get("domain")) or None,
        "status": subscription.status,
        "upstream_status": plain(data.get("status")),
        "billing_cycle": subscription.billing_cycle,
        "amount": amount_in(data.get("recurringamount"), currency),
        "currency": currency,
        "registered_on": subscription.registered_on,
        "next_due_on": subscription.next_due_on,
        "whmcs_order_id": plain(data.get("orderid")) or None,
        "cancellation": cancellation.when if cancellation else None,
        "cancellation_requested_on": cancellation.requested_on if cancellation else None,
        "ends_on": cancellation.ends_on if cancellation else None,
        "sku": subscription.sku,
        "order_id": subscription.order_id,
        "search": _search(subscription, plain(data.get("domain"))),
        "sort_id": int(record.record_id),
        "as_of": record.verified_at,
        "summary": body,
        "document": body,
    }


def _subscription(record: Record, group: Group, currency: str, kind: ServiceKind) -> Subscription:
    data = record.data
    status = known(STATUSES, record, "status") or "unknown"
    domain = plain(data.get("domain"))
    line = _line(domain) if kind.category == "sim" else None
    due = day(data.get("nextduedate"))
    cancellation = _cancellation(group, due) if status in RUNNING else None
    return Subscription(
        subscription_id=record.record_id,
        name=plain(data.get("name")),
        category=kind.category,
        item_class=kind.item_class,
        domain=None if line else unicode_form(domain) or None,
        line=line,
        status=status,
        status_text=_text(status, plain(data.get("suspensionreason")), cancellation, group.of("provider_state")),
        billing_cycle=kind.billing_cycle,
        amount=shown(amount_in(data.get("recurringamount"), currency), currency),
        registered_on=day(data.get("regdate")),
        next_due_on=due,
        addons=[_addon(addon, currency) for addon in group.of("addon")],
        cancellation=cancellation,
        pending_change=_pending(record, group) if status in RUNNING else None,
        scheduled_change=_scheduled(group) if status in RUNNING and cancellation is None else None,
        dunning=dunning.of_service(group) if status in RUNNING else None,
        sku=sku_of(record, group),
        order_id=order_of(record, group),
    )


def _search(shown: Subscription, domain: str) -> str:
    """Return what the service is found by: a domain in both of its forms, a number with its hyphens and without."""
    names = [addon.name for addon in shown.addons]
    return search_text(shown.name, shown.subscription_id, shown.sku, domain, shown.domain, shown.line, *names)


def _line(domain: str | None) -> str | None:
    """Return the phone number of a SIM, which WHMCS stores as the domain."""
    digits = (domain or "").replace("-", "").replace(" ", "")
    return digits if _LINE.fullmatch(digits) else None


def _cancellation(group: Group, due: date | None) -> Cancellation | None:
    """Return the requested cancellation. An unknown type means the end of the period, as in WHMCS."""
    for request in group.of("cancel_request"):
        when = WHENS.get(plain(request.data.get("type")), "end_of_period")
        requested_on = day(request.data.get("date"))
        return Cancellation(when=when, requested_on=requested_on, ends_on=due if when == "end_of_period" else None)
    return None


def _pending(service: Record, group: Group) -> PendingChange | None:
    for upgrade in group.of("upgrade"):
        data = upgrade.data
        invoice = group.context.get(("invoice", data.get("invoice_id") or ""))
        dead = invoice is not None and invoice.data.get("status") in DEAD_INVOICES
        if data.get("product_id") != service.data.get("pid") and not dead:
            return PendingChange(
                product_name=data.get("product_name") or "",
                invoice_id=data.get("invoice_id"),
                requested_on=day(data.get("date")),
            )
    return None


def _scheduled(group: Group) -> ScheduledChange | None:
    """Return the waiting plan change; the latest, because the end of a former one may still be on its way."""
    waiting = [each.data for each in group.of("scheduled_change") if each.data["status"] == "waiting"]
    if not waiting:
        return None
    data = max(waiting, key=lambda each: str(each["created_at"]))
    return ScheduledChange(
        sku=data["sku"],
        name=data["product_name"],
        direction=data["direction"],
        effective_date=date.fromisoformat(data["effective_date"]),  # the portal's own record
    )


def _text(
    status: str, suspension_reason: str, cancellation: Cancellation | None, provider_states: Sequence[Record]
) -> Sentence:
    """Describe the state in a sentence. The reason of a suspension is free text of staff."""
    reason = suspension_reason.lower()
    overdue = status == "suspended" and any(word in reason for word in ("overdue", "payment", "unpaid"))
    usual = OVERDUE_TEXT if overdue else STATUS_TEXTS[status]
    text = provider_sentences.sentence(status, usual, overdue, provider_states)
    if cancellation is None:
        return text
    if cancellation.ends_on is None:
        return together(text, say("subscriptions.cancels_within_a_day"))
    return together(text, say("subscriptions.cancels_on", on=cancellation.ends_on))


def _addon(record: Record, currency: str) -> Addon:
    data = record.data
    status = plain(data.get("status")).lower()
    return Addon(
        addon_id=record.record_id,
        name=plain(data.get("name")),
        status=status if status in STATUS_TEXTS else "unknown",
        billing_cycle=cycle_of(data.get("billingcycle")),
        amount=shown(amount_in(data.get("recurringamount"), currency), currency),
        next_due_on=day(data.get("nextduedate")),
    )
