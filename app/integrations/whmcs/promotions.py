"""Promotion codes. WHMCS has no action that validates one; it drops what does not apply without a word."""

from datetime import date
from decimal import Decimal
from typing import Any

from msgspec import Struct

from app.integrations.whmcs.client import WhmcsClient
from app.integrations.whmcs.faults import understood
from app.integrations.whmcs.wire import as_list, csv, identifier, moment, text

PERCENTAGE, FIXED = "Percentage", "Fixed Amount"


class Promotion(Struct, frozen=True, kw_only=True):
    """What a code gives: `value` percent or money off. `product_ids` empty is every product; `max_uses` 0 is no limit;
    the days are inclusive, in the installation's time zone."""

    code: str
    kind: str
    value: Decimal
    recurring: bool
    product_ids: frozenset[str]
    starts_on: date | None
    expires_on: date | None
    max_uses: int
    uses: int


async def promotion(client: WhmcsClient, code: str) -> Promotion | None:
    """The promotion of this code; upper and lower case do not matter."""
    action = "GetPromotions"
    body = await client.call(action, {"code": code})
    with understood(action):
        found = [_promotion(row) for row in as_list(body.get("promotions"), "promotion")]
    return next((each for each in found if each.code.casefold() == code.casefold()), None)


def _promotion(row: dict[str, Any]) -> Promotion:
    return Promotion(
        code=text(row["code"]),
        kind=text(row["type"]),
        value=Decimal(text(row["value"])),
        recurring=text(row.get("recurring")) == "1",
        product_ids=frozenset(csv(text(row.get("appliesto")))),
        starts_on=_day(row.get("startdate")),
        expires_on=_day(row.get("expirationdate")),
        max_uses=int(identifier(row.get("maxuses")) or 0),
        uses=int(identifier(row.get("uses")) or 0),
    )


def _day(value: Any) -> date | None:
    found = moment(value)
    return date.fromisoformat(found[:10]) if found else None
