"""The order as Salesforce has it now, and what fulfilment writes on it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.commands.context import Context
from app.commands.fulfilment.outcomes import Line
from app.commands.place_order import submit_order
from app.integrations.salesforce import wire
from app.integrations.salesforce.client import quote

GLOBAL_ACCOUNT = UUID(int=0)
LONGEST_CODE, LONGEST_MESSAGE = 60, 255
DETAILS = (
    "MNP_Reservation_Number__c",
    "MNP_Expiry_Date__c",
    "Porting_LastName__c",
    "Porting_FirstName__c",
    "Porting_LastName_Katakana__c",
    "Porting_FirstName_Katakana__c",
    "Porting_Gender__c",
    "Porting_DateOfBirth__c",
)
"""Identity data that is read for the activation and kept nowhere."""


async def read(ctx: Context, order_id: str) -> tuple[dict[str, Any], list[Line]]:
    """The order with its identity data, and its lines joined with the catalog."""
    names = ", ".join((*wire.FIELDS["Order"], *DETAILS))
    rows = await ctx.salesforce.query(quote(f"SELECT {names} FROM Order WHERE Id = {{}}", order_id))
    fields = ", ".join(wire.FIELDS["OrderItem"])
    items = await ctx.salesforce.query(
        quote(f"SELECT {fields} FROM OrderItem WHERE OrderId = {{}} ORDER BY CreatedDate, Id", order_id)
    )
    products = await ctx.pool.fetch(
        "SELECT salesforce_product_id, sku, category, item_class, billing_cycle, whmcs_product_id, facts "
        "FROM read_model.catalog WHERE account_id = $1 AND salesforce_product_id = ANY($2::text[])",
        GLOBAL_ACCOUNT,
        [item["Product2Id"] for item in items],
    )
    by_id = {row["salesforce_product_id"]: row for row in products}
    return rows[0], [_line(item, by_id[item["Product2Id"]]) for item in items if item["Product2Id"] in by_id]


def _line(item: dict[str, Any], product: Any) -> Line:
    return Line(
        order_item_id=item["Id"],
        sku=product["sku"],
        category=product["category"],
        item_class=product["item_class"],
        billing_cycle=product["billing_cycle"],
        whmcs_product_id=product["whmcs_product_id"] or "",
        quantity=int(item.get("Quantity") or 1),
        facts=product["facts"],
    )


async def write(ctx: Context, order_id: str, fields: dict[str, Any]) -> None:
    """Change the order, then let the read models see it."""
    stamped = {**fields, wire.ORDER_LAST_ATTEMPT: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")}
    await ctx.salesforce.update("Order", order_id, stamped)
    await submit_order(ctx, order_id)


async def write_error(ctx: Context, order_id: str, code: str, message: str, *, failed: bool) -> None:
    """A short code and sentence for staff (F2-43)."""
    fields: dict[str, Any] = {
        wire.ORDER_ERROR_CODE: code[:LONGEST_CODE],
        wire.ORDER_ERROR_MESSAGE: message[:LONGEST_MESSAGE],
    }
    if failed:
        fields[wire.ORDER_ACTIVATION] = "Failed"
    await write(ctx, order_id, fields)
