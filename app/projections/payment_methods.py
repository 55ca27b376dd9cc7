"""Payment methods: the pay methods of a WHMCS client → one row each.

Reads: whmcs pay_method. Writes: read_model.payment_methods.
"""

import re
from typing import Any

import msgspec

from app.events import Record
from app.projections.parts.fields import plain
from app.projections.projector import Group, Projected, Projector
from app.readmodels.payment_methods import TABLE, PaymentMethod
from app.settings import Settings

_EXPIRY = re.compile(r"(0?[1-9]|1[0-2]) ?/ ?((?:20)?[0-9]{2})", re.ASCII)
KINDS = {
    "CreditCard": "card",
    "RemoteCreditCard": "card",
    "BankAccount": "bank_account",
    "RemoteBankAccount": "bank_account",
}


def projector(settings: Settings) -> Projector:
    """Build the projector of payment methods."""
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
        kind=KINDS.get(plain(data.get("type")), "other"),
        brand=plain(data.get("card_type")) or plain(data.get("bank_name")) or None,
        last_four=plain(data.get("card_last_four")) or None,
        expires=_expires(plain(data.get("expiry_date"))),
        description=plain(data.get("description")),
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


def _expires(value: str) -> str | None:
    """Convert WHMCS's `MM/YY`, or `MM/YYYY` of some gateways, to `YYYY-MM`."""
    found = _EXPIRY.fullmatch(value.strip())
    return f"20{found[2][-2:]}-{int(found[1]):02}" if found else None
