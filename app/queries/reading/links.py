"""Links between an order, the subscriptions it created and the invoices that bill them, from each of the three.

Reads: read_model.orders, subscriptions, invoices.
"""

from collections.abc import Awaitable
from functools import cache
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from app.db import only_row
from app.queries.reading.store import Answer, Store, etag_of
from app.readmodels.documents import with_members

MOST = 50
"""The number of newest links of each kind. All invoices of a subscription have a list of their own."""

_LINES = "jsonb_array_elements(convert_from({}.document, 'UTF8')::jsonb -> 'items')"
_SERVICES = {
    "order": f"""
        SELECT line ->> 'subscription_id' FROM read_model.orders o, {_LINES.format("o")} AS line
        WHERE o.account_id = $1 AND o.order_id = $2
        UNION SELECT s.subscription_id FROM read_model.orders o JOIN read_model.subscriptions s USING (account_id)
        WHERE o.account_id = $1 AND o.order_id = $2 AND s.whmcs_order_id = o.whmcs_order_id
    """,
    "subscription": "SELECT $2::text",
    "invoice": """
        SELECT unnest(string_to_array(subscription_ids, ' ')) FROM read_model.invoices
        WHERE account_id = $1 AND invoice_id = $2
    """,
}
"""Kind of the item → the subscriptions related to it."""
_LINKS = """
WITH named (subscription_id) AS ({services}),
services AS (
    SELECT s.subscription_id, nullif(nullif(s.whmcs_order_id, ''), '0') AS whmcs_order_id, s.sort_id
    FROM read_model.subscriptions s JOIN named USING (subscription_id) WHERE s.account_id = $1
)
SELECT {order} AS order_ids, {subscription} AS subscription_ids, {invoice} AS invoice_ids
"""
_NAMES_ONE = "SELECT FROM {} AS line JOIN services s ON s.subscription_id = line ->> 'subscription_id'"
_FOUND = {
    "order": f"""ARRAY(
        SELECT o.order_id FROM read_model.orders o WHERE o.account_id = $1 AND (
            o.whmcs_order_id IN (SELECT whmcs_order_id FROM services)
            OR EXISTS ({_NAMES_ONE.format(_LINES.format("o"))}))
        ORDER BY o.placed_at DESC, o.order_id DESC LIMIT {MOST})""",
    "subscription": f"ARRAY(SELECT subscription_id FROM services ORDER BY sort_id DESC LIMIT {MOST})",
    "invoice": f"""ARRAY(
        SELECT i.invoice_id FROM read_model.invoices i WHERE i.account_id = $1 AND i.status <> 'draft'
        AND string_to_array(i.subscription_ids, ' ') && ARRAY(SELECT subscription_id FROM services)
        ORDER BY i.sort_id DESC LIMIT {MOST})""",
}
"""Kind of the links → the items related to those subscriptions."""


class Links(Struct, frozen=True, kw_only=True):
    """Ids of related items, the newest fifty of each kind; for the item's own kind its own id alone."""

    order_ids: list[str]
    """The orders."""
    subscription_ids: list[str]
    invoice_ids: list[str]


async def linked(store: Store, account_id: UUID, kind: str, item_id: str, found: Awaitable[Answer]) -> Answer:
    """Add `links` to the answer about an order, subscription or invoice."""
    answer = await found
    row = await only_row(store.pool, _statement(kind), account_id, item_id)
    body = msgspec.json.encode(Links(**dict(row)))
    whole = with_members(answer.body, b'"links":' + body)
    return structs.replace(answer, body=whole, etag=etag_of(answer.etag, body))


@cache
def _statement(kind: str) -> str:
    parts = {**_FOUND, kind: "ARRAY[$2::text]"}
    return _LINKS.format(services=_SERVICES[kind], **parts)
