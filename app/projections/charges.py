"""Charges: a WHMCS service that is a fee, or is billed once → one row. Every other one is a subscription.

Reads: whmcs service, client; refers to salesforce Product2. Writes: read_model.charges.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.events import Record
from app.intake.billing_cycles import MONTHS
from app.projections.parts.categories import group_categories
from app.projections.parts.fields import day, plain, shown
from app.projections.parts.services import PRODUCT_OF_SERVICE, kind_of
from app.projections.parts.vocabulary import known
from app.projections.projector import Group, Projected, Projector
from app.projections.subscriptions import STATUSES, amount_in, currency_for
from app.readmodels.charges import TABLE, Charge
from app.settings import Settings


def projector(settings: Settings) -> Projector:
    """Build the projector of charges. Amounts are unknown until the client's currency is known.

    Raises:
        SettingsError: `WHMCS_GROUP_CATEGORIES` names an unknown category.
    """
    categories = group_categories(settings.whmcs_group_categories)

    def project(group: Group) -> Projected:
        found = [_row(each, group, categories) for each in group.of("service")]
        return Projected(rows=[row for row in found if row is not None])

    return Projector(
        name="charges",
        version=2,
        source="whmcs",
        scope="record",
        root="service",
        reads=("service",),
        owner_context=("client",),
        lookups=(PRODUCT_OF_SERVICE,),
        table=TABLE,
        project=project,
    )


def _row(record: Record, group: Group, categories: Mapping[str, str]) -> dict[str, Any] | None:
    kind = kind_of(record, group, categories)
    if not kind.is_charge:
        return None
    data, currency = record.data, currency_for(record, group)
    price = "recurringamount" if kind.billing_cycle in MONTHS else "firstpaymentamount"
    value = amount_in(data.get(price), currency)
    charge = Charge(
        charge_id=record.record_id,
        name=plain(data.get("name")),
        category=kind.category,
        item_class=kind.item_class,
        status=known(STATUSES, record, "status") or "unknown",
        billing_cycle=kind.billing_cycle,
        amount=shown(value, currency),
        registered_on=day(data.get("regdate")),
        next_due_on=day(data.get("nextduedate")),
    )
    return {
        "charge_id": charge.charge_id,
        "product_id": plain(data.get("pid")) or None,
        "product_name": charge.name,
        "category": charge.category,
        "item_class": charge.item_class,
        "status": charge.status,
        "upstream_status": plain(data.get("status")),
        "billing_cycle": charge.billing_cycle,
        "amount": value,
        "currency": currency,
        "registered_on": charge.registered_on,
        "next_due_on": charge.next_due_on,
        "whmcs_order_id": order_id if (order_id := plain(data.get("orderid"))) not in ("", "0") else None,
        "sort_id": int(record.record_id),
        "as_of": record.verified_at,
        "summary": msgspec.json.encode(charge),
    }
