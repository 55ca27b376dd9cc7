"""Promotion codes. WHMCS has no action that validates one; it silently drops a code that does not apply."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec import Struct

from app.errors import UpstreamMalformed
from app.intake.fields import Fields
from app.integrations.error_translation import translates_errors
from app.integrations.whmcs import lists
from app.integrations.whmcs.client import WhmcsClient
from app.integrations.whmcs.faults import WHMCS
from app.integrations.whmcs.wire import csv, text

PERCENTAGE, FIXED = "Percentage", "Fixed Amount"


class Promotion(Struct, frozen=True, kw_only=True):
    """A discount: `value` percent or money off.

    Empty `product_ids` means every product; `max_uses` 0 means no limit; the dates are inclusive, in the installation's
    time zone.
    """

    code: str
    kind: str
    value: Decimal
    recurring: bool
    product_ids: frozenset[str]
    starts_on: date | None
    expires_on: date | None
    max_uses: int
    uses: int


@translates_errors(WHMCS)
async def promotion(client: WhmcsClient, code: str) -> Promotion | None:
    """Find the promotion with this code, ignoring case.

    Raises:
        UpstreamMalformed: it exists, and its value or period cannot be read.
    """
    action = "GetPromotions"
    rows = lists.all_of(action, await client.call(action, {"code": code}), "promotions", "promotion")
    found = lists.read(action, rows, _promotion, object_name="promotion")
    of_code = next((each for each in found if each.code.casefold() == code.casefold()), None)
    if of_code is None and not (found.complete and not found.unread):
        raise UpstreamMalformed(WHMCS, action, "a promotion that cannot be read may be the one looked for")
    return of_code


def _promotion(row: Mapping[str, Any]) -> Promotion:
    """Parse a promotion strictly: neither the discount nor its end may be guessed."""
    fields = Fields(WHMCS, "promotion", text(row.get("id")), row)
    value = fields.money("value")
    if value is None or not text(row.get("code")):
        raise ValueError("a promotion without code or value")
    return Promotion(
        code=text(row["code"]),
        kind=text(row.get("type")),
        value=value,
        recurring=text(row.get("recurring")) == "1",
        product_ids=frozenset(csv(text(row.get("appliesto")))),
        starts_on=_day(fields, "startdate"),
        expires_on=_day(fields, "expirationdate"),
        max_uses=_count(fields, "maxuses"),
        uses=_count(fields, "uses"),
    )


def _day(fields: Fields, name: str) -> date | None:
    found = fields.day(name)
    if found is None and not fields.says_nothing(name):
        raise ValueError("a day that cannot be read")
    return found


def _count(fields: Fields, name: str) -> int:
    found = fields.whole_number(name)
    if found is None and not fields.says_nothing(name):
        raise ValueError("a number that cannot be read")
    return found or 0
