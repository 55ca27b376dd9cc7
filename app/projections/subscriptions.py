"""Subscriptions: a WHMCS service → one row; its currency is the client's.

Reads: whmcs service; draws on client. Writes: read_model.subscriptions.
"""

from typing import Any

import msgspec

from app.events import Record
from app.projections.fields import day
from app.projections.projector import Group, Projected, Projector
from app.readmodels.money import decimal, money
from app.readmodels.subscriptions import STATUS_TEXTS, TABLE, Subscription
from app.settings import Settings


def projector(settings: Settings) -> Projector:
    """Subscriptions; until the client record arrives, amounts are in the org's currency."""

    def project(group: Group) -> Projected:
        return Projected(rows=[_row(record, group, settings.salesforce_currency) for record in group.records])

    return Projector(
        name="subscriptions",
        version=1,
        source="whmcs",
        scope="record",
        root="service",
        reads=("service",),
        owner_context=("client",),
        table=TABLE,
        project=project,
    )


def category_of(product_name: str, group_name: str) -> str:
    """A WHMCS product's category, told from its names: the company's own way of recognising an Internet service."""
    text = f"{product_name} {group_name}".lower()
    if "internet" in text or "sonixnet" in text or ("ntt" in text and "fiber" in text):
        return "internet"
    return next((word for word in ("sim", "vpn", "hosting") if word in text), "other")


def _row(record: Record, group: Group, fallback_currency: str) -> dict[str, Any]:
    data = record.data
    client = group.context.get(record.owner_id or "")
    currency = (client.data.get("currency_code") if client else None) or fallback_currency
    status = data["status"].lower() if data["status"].lower() in STATUS_TEXTS else "unknown"
    subscription = Subscription(
        subscription_id=record.record_id,
        name=data["name"],
        category=category_of(data["name"], data.get("groupname") or ""),
        domain=data.get("domain") or None,
        status=status,
        status_text=STATUS_TEXTS[status],
        billing_cycle=data["billingcycle"].lower().replace(" ", "_").replace("-", "_"),
        amount=money(data["recurringamount"], currency),
        registered_on=day(data.get("regdate")),
        next_due_on=day(data.get("nextduedate")),
    )
    body = msgspec.json.encode(subscription)
    return {
        "subscription_id": record.record_id,
        "product_id": data.get("pid"),
        "product_name": data["name"],
        "category": subscription.category,
        "domain": subscription.domain,
        "status": status,
        "upstream_status": data["status"],
        "billing_cycle": subscription.billing_cycle,
        "amount": decimal(data["recurringamount"]),
        "currency": currency,
        "registered_on": subscription.registered_on,
        "next_due_on": subscription.next_due_on,
        "whmcs_order_id": data.get("orderid"),
        "sort_id": int(record.record_id),
        "as_of": record.verified_at,
        "summary": body,
        "document": body,
    }
