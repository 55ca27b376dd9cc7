"""Summary, timeline and notifications of an account."""

from typing import Annotated

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody, Parameter

from app.commands.account.mark_notifications_read import (
    READ_NOTIFICATION,
    READ_NOTIFICATIONS,
    ReadNotification,
    ReadNotifications,
    Unread,
)
from app.errors import NotFound
from app.http.answering.command_response import run_command
from app.http.answering.handler_types import AnyRequest, Caller, ListPaging, OwnAccount, ReadStore, answers
from app.http.answering.query_response import respond
from app.http.policies.policy import CUSTOMER, Policy
from app.queries import notifications, summary, timeline
from app.queries.shapes import Notifications, SummaryAnswer, Timeline
from app.readmodels.timeline import Area

OnlyUnread = Annotated[bool, Parameter(description="Only unread notifications.")]


@get(
    "/api/account/summary",
    policy=Policy(roles=CUSTOMER),
    operation_id="getSummary",
    summary="The first screen",
    tags=["Account"],
    responses=answers(SummaryAnswer, "Balances, services, open orders and tasks."),
)
async def get_summary(request: AnyRequest, account: OwnAccount, store: ReadStore) -> Response[bytes]:
    """Everything that a start page shows, in one call: open balance per currency, overdue invoices, the next due
    invoice, services by state, open orders, whether a payment method is on file, and tasks."""
    return await respond(request, account, lambda: summary.summary(store, account))


@get(
    "/api/account/timeline",
    policy=Policy(roles=CUSTOMER, cursor="timeline:{account}"),
    operation_id="listTimeline",
    summary="What happened",
    tags=["Account"],
    responses=answers(Timeline, "A page of events."),
)
async def list_timeline(
    request: AnyRequest,
    account: OwnAccount,
    store: ReadStore,
    paging: ListPaging,
    area: FromQuery[list[Area] | None] = None,
) -> Response[bytes]:
    """One history of orders, billing, services and support cases, newest first."""
    page, make = paging.of()
    return await respond(request, account, lambda: timeline.list_timeline(store, account, page, make, area or ()))


@get(
    "/api/account/notifications",
    policy=Policy(roles=CUSTOMER, cursor="notifications:{account}"),
    operation_id="listNotifications",
    summary="Notifications",
    tags=["Account"],
    responses=answers(Notifications, "A page of notifications, and how many are unread."),
)
async def list_notifications(
    request: AnyRequest,
    account: OwnAccount,
    store: ReadStore,
    paging: ListPaging,
    unread: OnlyUnread = False,
) -> Response[bytes]:
    """Events that the customer should not miss, newest first. An event gives one notification, however often it is
    reported."""
    page, make = paging.of()
    return await respond(
        request, account, lambda: notifications.list_notifications(store, account, page, make, unread=unread)
    )


@post(
    "/api/account/notifications/{notification_id:str}/read",
    policy=Policy(roles=CUSTOMER, command=READ_NOTIFICATION, problems=(NotFound,)),
    status_code=200,
    operation_id="readNotification",
    summary="Mark a notification as read",
    tags=["Account"],
    responses=answers(Unread, "The number of unread notifications."),
)
async def read_notification(request: AnyRequest, actor: Caller, notification_id: FromPath[str]) -> Response[bytes]:
    """Mark one notification as read and answer with the number of unread ones. Safe to repeat."""
    return await run_command(request, actor, ReadNotification(notification_id))


@post(
    "/api/account/notifications/read",
    policy=Policy(roles=CUSTOMER, command=READ_NOTIFICATIONS),
    status_code=200,
    operation_id="readNotifications",
    summary="Mark all notifications as read",
    tags=["Account"],
    responses=answers(Unread, "The number of unread notifications."),
)
async def read_notifications(request: AnyRequest, actor: Caller, data: JSONBody[ReadNotifications]) -> Response[bytes]:
    """Mark all notifications as read, or all up to the newest one that the customer has seen."""
    return await run_command(request, actor, data)


ROUTES = (get_summary, list_timeline, list_notifications, read_notification, read_notifications)
