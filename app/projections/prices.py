"""Prices of the billing system: WHMCS products → one row per product, currency and billing cycle.

A document beside them says how the billing system treats tax.

Reads: whmcs product, tax. Writes: read_model.prices, document `tax`.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from app.events import Record
from app.intake.billing_cycles import FREE, MONTHLY, MONTHS, ONETIME
from app.projections.parts.fields import amount, plain
from app.projections.projector import Document, Group, Projected, Projector
from app.readmodels.pricing.prices import CYCLES, TABLE
from app.readmodels.pricing.tax import DOCUMENT, TaxTreatment
from app.settings import Settings

PAID = {"recurring": tuple(MONTHS), ONETIME: (ONETIME,), FREE: (FREE,)}
"""Way of paying → the billing cycles that it can have."""
TAX_TYPES = {"exclusive": False, "inclusive": True}


def projector(settings: Settings) -> Projector:
    """Build the projector of prices."""
    return Projector(
        name="prices",
        version=1,
        source="whmcs",
        scope="global",
        reads=("product", "tax"),
        table=TABLE,
        project=_project,
        documents=True,
    )


def _project(group: Group) -> Projected:
    rows = [row for record in group.of("product") for row in rows_of(record)]
    documents = [Document(DOCUMENT, msgspec.json.encode(_treatment(record))) for record in group.of("tax")[:1]]
    return Projected(rows=rows, documents=documents)


def _treatment(record: Record) -> TaxTreatment:
    enabled = record.data.get("enabled")
    return TaxTreatment(
        enabled=enabled if isinstance(enabled, bool) else None,
        included=TAX_TYPES.get(plain(record.data.get("type"))),
    )


def rows_of(record: Record) -> Iterator[dict[str, Any]]:
    """Yield the prices of a product. An unreadable price has no row: it is unknown, and neither free nor withdrawn."""
    pricing = record.data.get("pricing")
    possible = PAID.get(plain(record.data.get("paytype")))
    if not isinstance(pricing, Mapping) or possible is None:
        return
    for currency, prices in sorted(pricing.items()):
        for cycle in CYCLES:
            known, price, setup_fee = _price(prices, currency, cycle) if cycle in possible else (True, None, None)
            if known:
                yield {
                    "price_id": f"{record.record_id}/{currency}/{cycle}",
                    "product_id": record.record_id,
                    "product_name": plain(record.data.get("name")),
                    "currency": currency,
                    "billing_cycle": cycle,
                    "offered": price is not None,
                    "amount": price,
                    "setup_fee": setup_fee,
                    "as_of": record.verified_at,
                }


def _price(prices: Any, currency: str, cycle: str) -> tuple[bool, Decimal | None, Decimal | None]:
    """Return whether a price is known, and price and set-up fee if it is offered."""
    if cycle == FREE:
        return True, Decimal(0), Decimal(0)
    word = MONTHLY if cycle == ONETIME else cycle
    stated = prices if isinstance(prices, Mapping) else {}
    price, fee = amount(stated.get(word), currency), amount(stated.get(f"{word[0]}setupfee"), currency)
    if price is not None and price < 0:
        return True, None, None
    if price is None or fee is None:
        return False, None, None
    return True, price, max(fee, Decimal(0))
