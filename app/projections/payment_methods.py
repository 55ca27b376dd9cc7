"""Payment methods: the pay methods of a WHMCS client → one row each.

Reads: whmcs pay_method. Writes: read_model.payment_methods.
"""

import re
from collections.abc import Sequence
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
NAMES = {"card": "Card", "bank_account": "Bank account", "other": "Payment method"}
"""Kind → what a method without a brand is called."""


def projector(settings: Settings) -> Projector:
    """Build the projector of payment methods."""
    first_is_default = settings.whmcs_default_pay_method == "first"

    def project(group: Group) -> Projected:
        default_id, known = _default(group.records, first_is_default)
        return Projected(rows=[_row(each, each.record_id == default_id if known else None) for each in group.records])

    return Projector(
        name="payment_methods",
        version=2,
        source="whmcs",
        scope="owner",
        reads=("pay_method",),
        table=TABLE,
        project=project,
    )


def _default(methods: Sequence[Record], first_is_default: bool) -> tuple[str | None, bool]:
    """Return the method that is charged, and whether it is known: WHMCS flags it, or there is no other, or it is the
    first of the list on installations where that is confirmed."""
    flagged = [each.record_id for each in methods if each.data.get("is_default") == "1"]
    first = [each.record_id for each in methods if each.data.get("listed_first") == "1" and first_is_default]
    everyone = [each.record_id for each in methods]
    for candidates in (flagged, everyone, first):
        if len(candidates) == 1:
            return candidates[0], True
    return None, False


def _row(record: Record, is_default: bool | None) -> dict[str, Any]:
    data = record.data
    kind = KINDS.get(plain(data.get("type")), "other")
    brand = plain(data.get("card_type")) or plain(data.get("bank_name")) or None
    last_four = plain(data.get("card_last_four")) or None
    method = PaymentMethod(
        payment_method_id=record.record_id,
        kind=kind,
        brand=brand,
        last_four=last_four,
        expires=_expires(plain(data.get("expiry_date"))),
        description=" ".join(filter(None, (brand or NAMES[kind], last_four and f"ending in {last_four}"))),
        is_default=is_default,
    )
    return {
        "payment_method_id": method.payment_method_id,
        "kind": method.kind,
        "brand": method.brand,
        "last_four": method.last_four,
        "expires": method.expires,
        "description": method.description,
        "is_default": method.is_default,
        "sort_id": int(record.record_id),
        "as_of": record.verified_at,
        "document": msgspec.json.encode(method),
    }


def _expires(value: str) -> str | None:
    """Convert WHMCS's `MM/YY`, or `MM/YYYY` of some gateways, to `YYYY-MM`."""
    found = _EXPIRY.fullmatch(value.strip())
    return f"20{found[2][-2:]}-{int(found[1]):02}" if found else None
