"""What the conditions of a promotion ask about the customer: former orders, open ones, and products in use.

Reads: read_model.subscriptions, charges, orders, pending; WHMCS orders, for promotions whose conditions name them.
"""

from collections.abc import Collection
from uuid import UUID

from msgspec import Struct

from app.commands.execution.context import Actor, Context
from app.db import only_row
from app.intake.words import folded
from app.integrations.whmcs.catalog.promotions import OrderHistory, Promotion, order_history
from app.readmodels.services import ACTIVE

_DOCUMENTS = """
SELECT document FROM read_model.orders WHERE account_id = $1 AND status = ANY($2::text[])
UNION ALL SELECT document FROM read_model.pending WHERE account_id = $1 AND slice = 'orders' AND document IS NOT NULL
"""
_STANDING = f"""
SELECT ARRAY(SELECT convert_from(document, 'UTF8')::jsonb ->> 'promo_code' FROM ({_DOCUMENTS}) AS d) AS codes,
       ARRAY(SELECT product_id FROM read_model.subscriptions WHERE account_id = $1 AND status = '{ACTIVE}'
             UNION SELECT product_id FROM read_model.charges WHERE account_id = $1 AND status = '{ACTIVE}') AS owned
"""


class PromotionHistory(Struct, frozen=True, kw_only=True):
    """A customer as promotions see one. What is None is not known; codes are folded.

    `owned_product_ids` are products of active services and charges: WHMCS counts both.
    """

    history: OrderHistory | None
    owned_product_ids: frozenset[str] | None
    codes_in_open_orders: frozenset[str]


async def history_for(
    ctx: Context, actor: Actor, promotion: Promotion, open_statuses: Collection[str], *, services_known: bool
) -> PromotionHistory:
    """Collect what the promotion's conditions need.

    Raises:
        UpstreamError: WHMCS had to be read and did not answer.
    """
    account_id: UUID = actor.account_id_or_refuse()
    row = await only_row(ctx.pool, _STANDING, account_id, list(open_statuses))
    history = await order_history(ctx.whmcs, actor.whmcs_client_id) if promotion.depends_on_orders else None
    return PromotionHistory(
        history=history,
        owned_product_ids=frozenset(each or "" for each in row["owned"]) if services_known else None,
        codes_in_open_orders=frozenset(folded(each) for each in row["codes"] if each),
    )
