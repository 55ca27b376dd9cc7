"""The first screen, the timeline and the notifications of an account."""

from typing import Annotated

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody, Parameter

from app.commands.account.mark_notifications_read import ReadNotification, ReadNotifications, Unread
from app.commands.registry import READ_NOTIFICATION, READ_NOTIFICATIONS
from app.errors import NotFound
from app.http.answering.command_response import run_command
from app.http.answering.handler_types import AnyRequest, Caller, ListPaging, OwnAccount, ReadStore, answers
from app.http.answering.query_response import respond
from app.http.policies.policy import CUSTOMER, Policy
from app.queries import notifications, summary, timeline
from app.queries.shapes import Notifications, SummaryAnswer, Timeline
from app.readmodels.timeline import Area

OnlyUnread = Annotated[bool, Parameter(description="Only those that were not read yet.")]


@get(
    "/api/account/summary",
    policy=Policy(roles=CUSTOMER),
    summary="The first screen",
    tags=["Account"],
    responses=answers(SummaryAnswer, "What the account owes, has, waits for and should do."),
)
async def get_summary(request: AnyRequest, account: OwnAccount, store: ReadStore) -> Response[bytes]:
    """Open balance per currency, overdue invoices, what is due next, services by state, open orders, whether a payment
    method is on file, and tasks: in one call."""
    return await respond(request, account, lambda: summary.summary(store, account))


@get(
    "/api/account/timeline",
    policy=Policy(roles=CUSTOMER, cursor="timeline:{account}"),
    summary="What happened",
    tags=["Account"],
    responses=answers(Timeline, "A page of what happened."),
)
async def list_timeline(
    request: AnyRequest,
    account: OwnAccount,
    store: ReadStore,
    paging: ListPaging,
    area: FromQuery[Area | None] = None,
) -> Response[bytes]:
    """One history over orders, billing, services and support cases, newest first."""
    page, make = paging.of()
    return await respond(request, account, lambda: timeline.list_timeline(store, account, page, make, area))


@get(
    "/api/account/notifications",
    policy=Policy(roles=CUSTOMER, cursor="notifications:{account}"),
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
    """What the customer should not miss, newest first. An event that is heard of twice is one notification."""
    page, make = paging.of()
    return await respond(
        request, account, lambda: notifications.list_notifications(store, account, page, make, unread=unread)
    )


@post(
    "/api/account/notifications/{notification_id:str}/read",
    policy=Policy(roles=CUSTOMER, command=READ_NOTIFICATION, problems=(NotFound,)),
    status_code=200,
    summary="Mark a notification as read",
    tags=["Account"],
    responses=answers(Unread, "How many are left."),
)
async def read_notification(request: AnyRequest, actor: Caller, notification_id: FromPath[str]) -> Response[bytes]:
    """Again is no harm."""
    return await run_command(request, actor, ReadNotification(notification_id))


@post(
    "/api/account/notifications/read",
    policy=Policy(roles=CUSTOMER, command=READ_NOTIFICATIONS),
    status_code=200,
    summary="Mark all notifications as read",
    tags=["Account"],
    responses=answers(Unread, "How many are left."),
)
async def read_notifications(request: AnyRequest, actor: Caller, data: JSONBody[ReadNotifications]) -> Response[bytes]:
    """All, or all up to the newest one that the customer has seen."""
    return await run_command(request, actor, data)


ROUTES = (get_summary, list_timeline, list_notifications, read_notification, read_notifications)
