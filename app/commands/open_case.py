"""Open a support case, directly in Salesforce, with the portal's origin.

Writes: Salesforce Case.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from app.commands.context import Actor, Context, Done
from app.integrations.salesforce.cases import SalesforceCases


class OpenCase(Struct, forbid_unknown_fields=True):
    """What it is about."""

    subject: Annotated[str, Meta(min_length=1, max_length=255)]
    description: Annotated[str, Meta(min_length=1, max_length=32_000)]
    priority: Literal["low", "medium", "high"] = "medium"


class CaseOpened(Struct, frozen=True):
    """The new case's Salesforce id."""

    case_id: str


async def open_case(ctx: Context, actor: Actor, request: OpenCase) -> Done:
    """Open it, or find the one that the same words opened within the hour."""
    actor.account_id_or_refuse()
    case_id = await SalesforceCases(ctx.salesforce).opened(
        actor.salesforce_account_id, request.subject, request.description, request.priority.title()
    )
    return Done(CaseOpened(case_id), target=case_id)
