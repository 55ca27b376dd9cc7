"""A running service, found among the account's own: as the read model has it, or as WHMCS has it now, because what is
done to it depends on it.

Reads: read_model.subscriptions, WHMCS service.
"""

from datetime import date
from typing import Any
from uuid import UUID

from msgspec import Struct, structs

from app.commands.execution.context import Actor, Context
from app.errors import Conflict, NotFound, UpstreamNotFound
from app.intake import parse
from app.integrations.whmcs.records import WhmcsRecord
from app.money import Money, money

_FOUND = """
SELECT s.account_id, m.whmcs_client_id, s.whmcs_order_id, s.category, s.product_name AS name, s.domain,
       s.billing_cycle, s.amount, s.currency, s.upstream_status AS status, s.product_id, s.next_due_on
FROM read_model.subscriptions s JOIN portal.id_mappings m USING (account_id)
WHERE s.subscription_id = $1 AND ($2::uuid IS NULL OR s.account_id = $2)
"""


class Service(Struct, frozen=True, kw_only=True):
    """A service. `status` is WHMCS's word, `amount` what a period costs; nothing, where that is not known."""

    subscription_id: str
    account_id: UUID
    whmcs_client_id: str
    whmcs_order_id: str
    category: str
    name: str
    domain: str
    billing_cycle: str
    amount: Money
    amount_known: bool
    status: str
    product_id: str
    payment_method: str = ""
    next_due_on: date | None


async def known(ctx: Context, actor: Actor, subscription_id: str) -> Service:
    """The caller's own service as the read model has it.

    Raises:
        NotFound: `subscription_not_found`, absent or another account's.
    """
    return await _found(ctx, subscription_id, actor.account_id_or_refuse())


async def owned(ctx: Context, actor: Actor, subscription_id: str) -> Service:
    """The caller's own service as WHMCS has it now.

    Raises:
        NotFound: `subscription_not_found`, absent or another account's.
    """
    return await _live(ctx, await known(ctx, actor, subscription_id))


async def noted(ctx: Context, subscription_id: str) -> Service:
    """Anybody's service as the read model has it, for members of staff.

    Raises:
        NotFound: `subscription_not_found`, absent or of nobody who is in the portal.
    """
    return await _found(ctx, subscription_id, None)


async def anybodys(ctx: Context, subscription_id: str) -> Service:
    """Anybody's service as WHMCS has it now, for members of staff and workers.

    Raises:
        NotFound: `subscription_not_found`, absent or of nobody who is in the portal.
    """
    return await _live(ctx, await noted(ctx, subscription_id))


def refuse_unless(service: Service, *statuses: str) -> None:
    """Only services in these states of WHMCS, in lower case.

    Raises:
        Conflict: `subscription_not_active`.
    """
    status = service.status.lower()
    if status not in statuses:
        raise Conflict(
            f"This service is {status}; that is possible for an active one only.", code="subscription_not_active"
        )


async def _found(ctx: Context, subscription_id: str, account_id: UUID | None) -> Service:
    row = await ctx.pool.fetchrow(_FOUND, subscription_id, account_id)
    if row is None:
        raise _absent()
    fields: dict[str, Any] = {**row, "amount": money(row["amount"], row["currency"])}
    fields["amount_known"] = row["amount"] is not None
    del fields["currency"]
    texts = {name: fields[name] or "" for name in ("whmcs_order_id", "domain", "product_id")}
    return Service(**{**fields, **texts, "subscription_id": subscription_id})


async def _live(ctx: Context, service: Service) -> Service:
    """The credential of the API reaches every client, so whose it is is looked at again."""
    try:
        record = await ctx.whmcs.service(service.subscription_id)
    except UpstreamNotFound as error:
        raise _absent() from error
    if record.owner_id != service.whmcs_client_id:
        raise _absent()
    return as_read(service, record)


def as_read(service: Service, record: WhmcsRecord) -> Service:
    """The service as WHMCS's record has it."""
    data = record.data
    return structs.replace(
        service,
        name=data.get("name") or "",
        domain=data.get("domain") or "",
        status=data["status"],
        product_id=data["pid"],
        payment_method=data.get("paymentmethod") or "",
        next_due_on=parse.day(data.get("nextduedate")),
    )


def _absent() -> NotFound:
    return NotFound("There is no such subscription.", code="subscription_not_found")
