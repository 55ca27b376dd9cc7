"""Linking a billing account, and changing the billing address."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, Response, post, put
from litestar.params import JSONBody

from app.commands.context import Done
from app.commands.link_account import CompleteLink, LinkAccount, LinkOffered
from app.commands.registry import CHANGE_ADDRESS, COMPLETE_LINK, LINK_ACCOUNT
from app.commands.sign_up import Address, SignedUp
from app.errors import NotReady
from app.http.inputs import Caller, answers
from app.http.run_command import run_command
from app.queries import profile
from app.queries.answers import AddressAnswer
from app.queries.store import with_age


@post(
    "/api/auth/link",
    status_code=200,
    summary="Link a billing account",
    tags=["Sign-up"],
    responses=answers(LinkOffered, "Proven; set a password next."),
)
async def link(request: Request[Any, Any, Any], actor: Caller, data: JSONBody[LinkAccount]) -> Response[bytes]:
    """Verifies the billing system's password once; it is neither kept nor logged."""
    return await run_command(request, LINK_ACCOUNT, actor, data)


@post(
    "/api/auth/link/complete",
    status_code=201,
    summary="Finish linking",
    tags=["Sign-up"],
    responses=answers(SignedUp, "Linked; log in next.", status=201),
)
async def complete(request: Request[Any, Any, Any], actor: Caller, data: JSONBody[CompleteLink]) -> Response[bytes]:
    """Sets the portal password. Invoices and subscriptions of the billing account show at once."""
    return await run_command(request, COMPLETE_LINK, actor, data, status=201)


@put(
    "/api/account/address",
    status_code=200,
    summary="Change the billing address",
    tags=["Account"],
    responses=answers(AddressAnswer, "The address as it is now."),
)
async def put_address(request: Request[Any, Any, Any], actor: Caller, data: JSONBody[Address]) -> Response[bytes]:
    """Written to the billing system, and visible in the answer."""
    account_id = actor.account_id_or_refuse()

    async def render(done: Done) -> bytes:
        try:
            return (await profile.address(request.app.state.store, account_id)).body
        except NotReady:  # the read model is behind: what was written is what WHMCS holds now
            return with_age(msgspec.json.encode(done.result), datetime.now(UTC), False)

    return await run_command(request, CHANGE_ADDRESS, actor, data, render=render)


ROUTES = (link, complete, put_address)
