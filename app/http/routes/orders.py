"""Orders: list them, read one, check a basket, place it."""

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from app.commands.execution.context import Done
from app.commands.orders.basket import Basket
from app.commands.orders.check_order import COMMAND as CHECK_ORDER
from app.commands.orders.check_order import CheckedOrder
from app.commands.orders.place_order import COMMAND as PLACE_ORDER
from app.errors import NotFound, NotReady
from app.http.answering.command_response import run_command
from app.http.answering.handler_types import AnyRequest, Caller, ListPaging, OwnAccount, ReadStore, answers
from app.http.answering.paging import SearchParameter
from app.http.answering.query_response import respond
from app.http.policies.policy import CUSTOMER, FastRead, FirstPage, Policy
from app.queries import orders
from app.queries.reading.store import Answer
from app.queries.shapes import OrderAnswer, Orders
from app.readmodels.ordering.order_life import OrderStatus


@get(
    "/api/orders",
    policy=Policy(roles=CUSTOMER, cursor="orders:{account}", fast=FirstPage(orders.list_orders)),
    operation_id="listOrders",
    summary="Orders",
    tags=["Orders"],
    responses=answers(Orders, "A page of orders."),
)
async def list_orders(
    request: AnyRequest,
    account: OwnAccount,
    store: ReadStore,
    paging: ListPaging,
    status: FromQuery[list[OrderStatus] | None] = None,
    text: SearchParameter = None,
) -> Response[bytes]:
    """The account's orders, newest first, optionally of some statuses (`status=active&status=paused`) and with some
    text."""
    page, make = paging.of()
    return await respond(request, account, lambda: orders.list_orders(store, account, page, make, status or (), text))


@get(
    "/api/orders/{order_id:str}",
    policy=Policy(roles=CUSTOMER, problems=(NotFound,), fast=FastRead(orders.order)),
    operation_id="getOrder",
    summary="One order",
    tags=["Orders"],
    responses=answers(OrderAnswer, "The order."),
)
async def get_order(
    request: AnyRequest, account: OwnAccount, store: ReadStore, order_id: FromPath[str]
) -> Response[bytes]:
    """An order with status, items, address snapshot and timeline, and the reason when it is paused."""
    return await respond(request, account, lambda: orders.order(store, account, order_id))


@post(
    "/api/orders/check",
    policy=Policy(roles=CUSTOMER, command=CHECK_ORDER),
    status_code=200,
    operation_id="checkOrder",
    summary="Check a basket",
    tags=["Orders"],
    responses=answers(CheckedOrder, "Whether it can be ordered."),
)
async def check(request: AnyRequest, actor: Caller, data: JSONBody[Basket]) -> Response[bytes]:
    """Check a basket without ordering: every rule that it violates, and its price."""
    return await run_command(request, actor, data)


@post(
    "/api/orders",
    policy=Policy(roles=CUSTOMER, command=PLACE_ORDER, shows_state=True, consistency_token=True),
    status_code=201,
    operation_id="placeOrder",
    summary="Place an order",
    tags=["Orders"],
    responses=answers(OrderAnswer, "The order.", status=201),
)
async def place(
    request: AnyRequest, actor: Caller, account: OwnAccount, store: ReadStore, data: JSONBody[Basket]
) -> Response[bytes]:
    """Place an order for review and answer with the order as the read model shows it.

    While the read model is behind, the answer holds the order's id only; read the order with the `Consistency-Token`.
    """

    async def render(done: Done) -> bytes | Answer:
        try:
            return await orders.order(store, account, done.result.order_id)
        except (NotFound, NotReady):
            return msgspec.json.encode(done.result)

    return await run_command(request, actor, data, status=201, render=render)


ROUTES = (list_orders, get_order, check, place)
