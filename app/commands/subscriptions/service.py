"""Lookup of a running service: from the read model, or live from WHMCS when a change depends on its present state.

Reads: read_model.subscriptions, WHMCS service.
"""

from datetime import date
from typing import Any
from uuid import UUID

from msgspec import Struct, structs

from app.commands.execution.context import Actor, Context
from app.errors import Conflict, NotFound, UpstreamNotFound
from app.intake import parse
from app.intake.billing_cycles import cycle_of
from app.integrations.whmcs.records import WhmcsRecord
from app.money import Money, money
from app.readmodels.services import provided_as
from app.words.sentence import say

_FOUND = """
SELECT s.account_id, m.whmcs_client_id, s.whmcs_order_id, s.category, s.item_class, s.product_name AS name, s.domain,
       s.billing_cycle, s.amount, s.currency, s.upstream_status AS status, s.product_id, s.next_due_on
FROM read_model.subscriptions s JOIN portal.id_mappings m USING (account_id)
WHERE s.subscription_id = $1 AND ($2::uuid IS NULL OR s.account_id = $2)
"""


class Service(Struct, frozen=True, kw_only=True):
    """A running service. `status` is WHMCS's word. `amount` is the price per period, zero unless `amount_known`."""

    subscription_id: str
    account_id: UUID
    whmcs_client_id: str
    whmcs_order_id: str
    category: str
    item_class: str | None
    name: str
    domain: str
    billing_cycle: str
    amount: Money
    amount_known: bool
    status: str
    product_id: str
    payment_method: str = ""
    next_due_on: date | None

    @property
    def provided_as(self) -> str:
        """The category by which a provider runs it; empty for an add-on, which has no line or account."""
        return provided_as(self.category, self.item_class)


async def find_own(ctx: Context, actor: Actor, subscription_id: str, *, live: bool = False) -> Service:
    """Find the caller's own service: as the read model has it, or `live`, as WHMCS has it now.

    Raises:
        NotFound: `subscription_not_found`, absent or another account's.
    """
    service = await _find(ctx, subscription_id, actor.account_id_or_refuse())
    return await _read(ctx, service) if live else service


async def find_any(ctx: Context, subscription_id: str, *, live: bool = False) -> Service:
    """Find a service of any account, for members of staff and workers: as the read model has it, or `live`.

    Raises:
        NotFound: `subscription_not_found`, absent or without a portal account.
    """
    service = await _find(ctx, subscription_id, None)
    return await _read(ctx, service) if live else service


def refuse_unless(service: Service, *statuses: str) -> None:
    """Refuse a service that is in none of these WHMCS statuses, in lower case.

    Raises:
        Conflict: `subscription_not_active`.
    """
    status = service.status.lower()
    if status not in statuses:
        raise Conflict(say("subscriptions.only_active", status=status), code="subscription_not_active")


async def _find(ctx: Context, subscription_id: str, account_id: UUID | None) -> Service:
    row = await ctx.pool.fetchrow(_FOUND, subscription_id, account_id)
    if row is None:
        raise _absent()
    fields: dict[str, Any] = {**row, "amount": money(row["amount"], row["currency"])}
    fields["amount_known"] = row["amount"] is not None
    del fields["currency"]
    texts = {name: fields[name] or "" for name in ("whmcs_order_id", "domain", "product_id")}
    return Service(**{**fields, **texts, "subscription_id": subscription_id})


async def _read(ctx: Context, service: Service) -> Service:
    """Read the service from WHMCS. The API credential reaches every client, so the owner is checked again."""
    try:
        record = await ctx.whmcs.service(service.subscription_id)
    except UpstreamNotFound as error:
        raise _absent() from error
    if record.owner_id != service.whmcs_client_id:
        raise _absent()
    return as_read(service, record)


def as_read(service: Service, record: WhmcsRecord) -> Service:
    """Return the service updated from WHMCS's record."""
    data = record.data
    paid = parse.money(data.get("recurringamount"))
    return structs.replace(
        service,
        name=data.get("name") or "",
        domain=data.get("domain") or "",
        status=data["status"],
        product_id=data["pid"],
        billing_cycle=cycle_of(data.get("billingcycle")),
        amount=money(paid, service.amount.currency),
        amount_known=paid is not None,
        payment_method=data.get("paymentmethod") or "",
        next_due_on=parse.day(data.get("nextduedate")),
    )


def _absent() -> NotFound:
    return NotFound(say("subscriptions.not_found"), code="subscription_not_found")
