"""Ordering: check a basket, place the order."""

from typing import Any

import msgspec
from litestar import Request, Response, post

from app.commands.basket import Basket
from app.commands.check_order import check_order
from app.commands.context import Actor, Command, Done
from app.commands.place_order import place_order
from app.errors import NotFound, NotReady
from app.http.run_command import run_command
from app.queries import orders

CHECK = Command("check_order", check_order, replayable=False)
PLACE = Command("place_order", place_order, "required")


@post("/api/orders/check", status_code=200, summary="Check a basket", tags=["Orders"])
async def check(request: Request[Any, Any, Any], actor: Actor, data: Basket) -> Response[bytes]:
    """Orders nothing. Answers every rule the basket breaks, and what it would cost."""
    return await run_command(request, CHECK, actor, data)


@post("/api/orders", status_code=201, summary="Place an order", tags=["Orders"])
async def place(request: Request[Any, Any, Any], actor: Actor, data: Basket) -> Response[bytes]:
    """Sends the order for review and answers it as the read model now shows it.

    While the read model is behind, the answer is the order's id alone; read it with the Consistency-Token.
    """
    account_id = actor.account_id_or_refuse()

    async def render(done: Done) -> bytes:
        try:
            return (await orders.order(request.app.state.store, account_id, done.result.order_id)).body
        except (NotFound, NotReady):
            return msgspec.json.encode(done.result)

    return await run_command(request, PLACE, actor, data, status=201, render=render)


ROUTES = (check, place)
