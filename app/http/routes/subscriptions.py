"""Changes of a running subscription: plan, cancellation, usage and control panel."""

import contextlib
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Response, delete, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct, structs

from app.commands.billing.sso_link import Link
from app.commands.execution.context import Done
from app.commands.subscriptions.cancel_scheduled_change import COMMAND as CANCEL_SCHEDULED_CHANGE
from app.commands.subscriptions.cancel_scheduled_change import CancelScheduledChange
from app.commands.subscriptions.cancel_subscription import COMMAND as CANCEL_SUBSCRIPTION
from app.commands.subscriptions.cancel_subscription import Cancel, CancelSubscription
from app.commands.subscriptions.change_plan import COMMAND as CHANGE_PLAN
from app.commands.subscriptions.change_plan import ChangePlan, NewPlan, PlanChanged
from app.commands.subscriptions.create_control_panel_link import COMMAND as CREATE_CONTROL_PANEL_LINK
from app.commands.subscriptions.create_control_panel_link import OpenControlPanel
from app.commands.subscriptions.preview_plan_change import COMMAND as PREVIEW_PLAN_CHANGE
from app.commands.subscriptions.preview_plan_change import PlanPreview, PreviewPlanChange
from app.commands.subscriptions.usage import COMMAND as READ_USAGE
from app.commands.subscriptions.usage import ReadUsage, Usage
from app.commands.subscriptions.withdraw_cancellation import COMMAND as WITHDRAW_CANCELLATION
from app.commands.subscriptions.withdraw_cancellation import WithdrawCancellation
from app.errors import NotFound
from app.http.answering.command_response import QUEUED, Render, run_command, run_silently
from app.http.answering.handler_types import AnyRequest, Caller, OwnAccount, ReadStore, answers
from app.http.policies.policy import CUSTOMER, Policy
from app.queries import subscriptions
from app.queries.reading.store import Answer, Store
from app.queries.shapes import SubscriptionAnswer


class WantedPlan(Struct, forbid_unknown_fields=True):
    """A plan of the catalog, by its SKU."""

    sku: Annotated[str, Meta(min_length=1, max_length=100)]


class PlanChangeAnswer(PlanChanged, kw_only=True, frozen=True):
    """The progress of the change, and the current subscription."""

    subscription: SubscriptionAnswer | None
    """The subscription as it is now; null where it cannot be shown."""


@post(
    "/api/subscriptions/{subscription_id:str}/preview",
    policy=Policy(roles=CUSTOMER, limit="live", command=PREVIEW_PLAN_CHANGE, problems=(NotFound,), asks_upstream=True),
    status_code=200,
    operation_id="previewPlanChange",
    summary="What another plan would cost",
    tags=["Subscriptions"],
    responses=answers(PlanPreview, "The price."),
)
async def preview(
    request: AnyRequest, actor: Caller, subscription_id: FromPath[str], data: JSONBody[WantedPlan]
) -> Response[bytes]:
    """The price of another plan, as the billing system calculates it now. Nothing is changed."""
    return await run_command(request, actor, PreviewPlanChange(subscription_id, data.sku))


@post(
    "/api/subscriptions/{subscription_id:str}/upgrade",
    policy=Policy(roles=CUSTOMER, command=CHANGE_PLAN, consistency_token=True, problems=(NotFound,)),
    status_code=200,
    operation_id="upgradeSubscription",
    summary="Change to a larger plan",
    tags=["Subscriptions"],
    responses=answers(PlanChangeAnswer, "Ordered."),
)
async def upgrade(
    request: AnyRequest,
    actor: Caller,
    account: OwnAccount,
    store: ReadStore,
    subscription_id: FromPath[str],
    data: JSONBody[NewPlan],
) -> Response[bytes]:
    """Order a larger plan. It takes effect when its invoice is paid, or at once when nothing is due. Send `due_now` and
    `credit` of the preview along: if the price has changed since, nothing is ordered. With an `effective_date` the
    change is scheduled for that day and replaces an earlier schedule; `scheduled_change` shows it until then."""
    change = ChangePlan(subscription_id, "upgrade", data)
    return await run_command(request, actor, change, render=_changed(store, account, subscription_id))


@post(
    "/api/subscriptions/{subscription_id:str}/downgrade",
    policy=Policy(roles=CUSTOMER, command=CHANGE_PLAN, consistency_token=True, problems=(NotFound,)),
    status_code=200,
    operation_id="downgradeSubscription",
    summary="Change to a smaller plan",
    tags=["Subscriptions"],
    responses=answers(PlanChangeAnswer, "Ordered."),
)
async def downgrade(
    request: AnyRequest,
    actor: Caller,
    account: OwnAccount,
    store: ReadStore,
    subscription_id: FromPath[str],
    data: JSONBody[NewPlan],
) -> Response[bytes]:
    """Order a smaller plan. It takes effect at once, or on the `effective_date`; an overpaid amount becomes credit. The
    rules of an upgrade apply."""
    change = ChangePlan(subscription_id, "downgrade", data)
    return await run_command(request, actor, change, render=_changed(store, account, subscription_id))


@delete(
    "/api/subscriptions/{subscription_id:str}/scheduled-change",
    policy=Policy(
        roles=CUSTOMER, command=CANCEL_SCHEDULED_CHANGE, consistency_token=True, shows_state=True, problems=(NotFound,)
    ),
    status_code=200,
    operation_id="cancelScheduledChange",
    summary="Cancel a scheduled change",
    tags=["Subscriptions"],
    responses=answers(SubscriptionAnswer, "The subscription with its present plan."),
)
async def cancel_scheduled(
    request: AnyRequest,
    actor: Caller,
    account: OwnAccount,
    store: ReadStore,
    subscription_id: FromPath[str],
) -> Response[bytes]:
    """Cancel the scheduled change of plan. Possible until the day on which it takes effect."""

    async def render(done: Done) -> bytes | Answer:
        return await _with(store, account, subscription_id, done, scheduled_change=None)

    body = CancelScheduledChange(subscription_id)
    return await run_command(request, actor, body, render=render)


@post(
    "/api/subscriptions/{subscription_id:str}/cancel",
    policy=Policy(
        roles=CUSTOMER, command=CANCEL_SUBSCRIPTION, consistency_token=True, shows_state=True, problems=(NotFound,)
    ),
    status_code=200,
    operation_id="cancelSubscription",
    summary="Cancel a subscription",
    tags=["Subscriptions"],
    responses=answers(SubscriptionAnswer, "The subscription with its cancellation.") | QUEUED,
)
async def cancel(
    request: AnyRequest,
    actor: Caller,
    account: OwnAccount,
    store: ReadStore,
    subscription_id: FromPath[str],
    data: JSONBody[Cancel],
) -> Response[bytes]:
    """Cancel at the end of the paid period, or now, which means within a day. Only support can take it back."""

    async def render(done: Done) -> bytes | Answer:
        return await _with(store, account, subscription_id, done, cancellation=done.result)

    body = CancelSubscription(subscription_id, data)
    return await run_command(request, actor, body, render=render)


@delete(
    "/api/subscriptions/{subscription_id:str}/cancellation",
    policy=Policy(roles=CUSTOMER, command=WITHDRAW_CANCELLATION, takes_key=False, problems=(NotFound,)),
    status_code=204,
    operation_id="withdrawCancellation",
    summary="Take a cancellation back",
    tags=["Subscriptions"],
)
async def withdraw(request: AnyRequest, actor: Caller, subscription_id: FromPath[str]) -> Response[None]:
    """Take a cancellation back while it waits. The billing system cannot do that by itself, so today the answer is
    always 409 `support_must_withdraw`, with a `case` that asks support for it: send it to `POST /api/cases`."""
    return await run_silently(request, actor, WithdrawCancellation(subscription_id))


@post(
    "/api/subscriptions/{subscription_id:str}/usage",
    policy=Policy(roles=CUSTOMER, limit="live", command=READ_USAGE, problems=(NotFound,), asks_upstream=True),
    status_code=200,
    operation_id="readUsage",
    summary="What a subscription uses",
    tags=["Subscriptions"],
    responses=answers(Usage, "The usage, at most a minute old unless it is `stale`."),
)
async def usage(request: AnyRequest, actor: Caller, subscription_id: FromPath[str]) -> Response[bytes]:
    """The data used by a SIM or the disk used by web hosting. POST, because it queries the provider live."""
    return await run_command(request, actor, ReadUsage(subscription_id))


@post(
    "/api/subscriptions/{subscription_id:str}/control-panel-link",
    policy=Policy(roles=CUSTOMER, limit="live", command=CREATE_CONTROL_PANEL_LINK, problems=(NotFound,)),
    status_code=200,
    operation_id="createControlPanelLink",
    summary="Open the control panel",
    tags=["Subscriptions"],
    responses=answers(Link, "The link."),
)
async def control_panel(request: AnyRequest, actor: Caller, subscription_id: FromPath[str]) -> Response[bytes]:
    """A single-use link into the control panel of web hosting. Request it when the customer clicks."""
    return await run_command(request, actor, OpenControlPanel(subscription_id))


def _changed(store: Store, account_id: UUID, subscription_id: str) -> Render:
    """Render the progress of a change of plan, with the subscription once it shows the change."""

    async def render(done: Done) -> bytes:
        shown = await _shown(store, account_id, subscription_id) if done.shows else None
        return msgspec.json.encode(PlanChangeAnswer(**structs.asdict(done.result), subscription=shown))

    return render


async def _with(store: Store, account_id: UUID, subscription_id: str, done: Done, **written: Any) -> bytes | Answer:
    """Render the subscription as it shows the change, or with what was `written` while it does not."""
    answer = await subscriptions.subscription(store, account_id, subscription_id)
    if done.shows:
        return answer
    found = msgspec.json.decode(answer.body, type=SubscriptionAnswer)
    return msgspec.json.encode(structs.replace(found, **written))


async def _shown(store: Store, account_id: UUID, subscription_id: str) -> SubscriptionAnswer | None:
    """Read the subscription from the read model; None where there is none."""
    with contextlib.suppress(NotFound):
        answer = await subscriptions.subscription(store, account_id, subscription_id)
        return msgspec.json.decode(answer.body, type=SubscriptionAnswer)
    return None


ROUTES = (preview, upgrade, downgrade, cancel_scheduled, cancel, withdraw, usage, control_panel)
