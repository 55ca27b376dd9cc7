"""Payment methods: the pay methods WHMCS keeps for a client → one row each.

Reads: whmcs pay_method. Writes: read_model.payment_methods.
"""

from typing import Any

import msgspec

from app.events import Record
from app.projections.projector import Group, Projected, Projector
from app.readmodels.payment_methods import TABLE, PaymentMethod
from app.settings import Settings

KINDS = {
    "CreditCard": "card",
    "RemoteCreditCard": "card",
    "BankAccount": "bank_account",
    "RemoteBankAccount": "bank_account",
}


def projector(settings: Settings) -> Projector:
    """Payment methods."""
    return Projector(
        name="payment_methods",
        version=1,
        source="whmcs",
        scope="owner",
        reads=("pay_method",),
        table=TABLE,
        project=_project,
    )


def _project(group: Group) -> Projected:
    return Projected(rows=[_row(record) for record in group.records])


def _row(record: Record) -> dict[str, Any]:
    data = record.data
    method = PaymentMethod(
        payment_method_id=record.record_id,
        kind=KINDS.get(data.get("type") or "", "other"),
        brand=data.get("card_type") or data.get("bank_name") or None,
        last_four=data.get("card_last_four") or None,
        expires=_expires(data.get("expiry_date")),
        description=data.get("description") or "",
    )
    return {
        "payment_method_id": method.payment_method_id,
        "kind": method.kind,
        "brand": method.brand,
        "last_four": method.last_four,
        "expires": method.expires,
        "description": method.description,
        "sort_id": int(record.record_id),
        "as_of": record.verified_at,
        "document": msgspec.json.encode(method),
    }


def _expires(value: str | None) -> str | None:
    """WHMCS writes `MM/YY`; documents say `YYYY-MM`."""
    month, _, year = (value or "").partition("/")
    return f"20{year}-{month}" if year else None
