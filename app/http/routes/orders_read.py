"""An account's orders."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery, Parameter

from app.errors import NotFound
from app.http.answering.handler_types import ListPaging, OwnAccount, ReadStore, answers
from app.http.answering.query_response import respond
from app.http.policies.policy import CUSTOMER, FastRead, FirstPage, Policy
from app.queries import orders
from app.queries.shapes import OrderAnswer, Orders
from app.readmodels.orders import OrderStatus

LimitParameter = Annotated[int, Parameter(ge=1, le=100, description="Items a page.")]
CursorParameter = Annotated[str | None, Parameter(max_length=300, description="`next_cursor` of the page before.")]


@get(
    "/api/orders",
    policy=Policy(roles=CUSTOMER, cursor="orders:{account}", fast=FirstPage(orders.list_orders)),
    summary="Orders",
    tags=["Orders"],
    responses=answers(Orders, "A page of orders."),
)
async def list_orders(
    request: Request[Any, Any, State],
    account: OwnAccount,
    store: ReadStore,
    paging: ListPaging,
    status: FromQuery[OrderStatus | None] = None,
) -> Response[bytes]:
    """Newest first, optionally of one status."""
    page, make = paging.of()
    return await respond(request, account, lambda: orders.list_orders(store, account, page, make, status))


@get(
    "/api/orders/{order_id:str}",
    policy=Policy(roles=CUSTOMER, problems=(NotFound,), fast=FastRead(orders.order)),
    summary="One order",
    tags=["Orders"],
    responses=answers(OrderAnswer, "The order."),
)
async def get_order(
    request: Request[Any, Any, State], account: OwnAccount, store: ReadStore, order_id: FromPath[str]
) -> Response[bytes]:
    """Status, items, address snapshot, timeline, and a reason when it is paused."""
    return await respond(request, account, lambda: orders.order(store, account, order_id))


ROUTES = (list_orders, get_order)
