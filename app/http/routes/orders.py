"""Ordering: check a basket, place the order."""

from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.params import JSONBody

from app.commands.execution.context import Done
from app.commands.orders.basket import Basket
from app.commands.orders.check_order import CheckedOrder
from app.commands.registry import CHECK_ORDER, PLACE_ORDER
from app.errors import NotFound, NotReady
from app.http.answering.command_response import run_command
from app.http.answering.handler_types import Caller, OwnAccount, ReadStore, answers
from app.http.policies.policy import CUSTOMER, Policy
from app.queries import orders
from app.queries.shapes import OrderAnswer


@post(
    "/api/orders/check",
    policy=Policy(roles=CUSTOMER, command=CHECK_ORDER),
    status_code=200,
    summary="Check a basket",
    tags=["Orders"],
    responses=answers(CheckedOrder, "Whether it can be ordered."),
)
async def check(request: Request[Any, Any, Any], actor: Caller, data: JSONBody[Basket]) -> Response[bytes]:
    """Orders nothing. Answers every rule the basket breaks, and what it would cost."""
    return await run_command(request, actor, data)


@post(
    "/api/orders",
    policy=Policy(roles=CUSTOMER, command=PLACE_ORDER, consistency_token=True),
    status_code=201,
    summary="Place an order",
    tags=["Orders"],
    responses=answers(OrderAnswer, "The order.", status=201),
)
async def place(
    request: Request[Any, Any, Any], actor: Caller, account: OwnAccount, store: ReadStore, data: JSONBody[Basket]
) -> Response[bytes]:
    """Sends the order for review and answers it as the read model now shows it.

    While the read model is behind, the answer is the order's id alone; read it with the Consistency-Token.
    """

    async def render(done: Done) -> bytes:
        try:
            return (await orders.order(store, account, done.result.order_id)).body
        except (NotFound, NotReady):
            return msgspec.json.encode(done.result)

    return await run_command(request, actor, data, status=201, render=render)


ROUTES = (check, place)
