"""Change profile and billing address, request an availability check, and have the account read again."""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Response, patch, post, put
from litestar.params import HeaderParameter, JSONBody

from app.commands.account.change_address import COMMAND as CHANGE_ADDRESS
from app.commands.account.change_address import ChangeAddress
from app.commands.account.change_profile import COMMAND as CHANGE_PROFILE
from app.commands.account.change_profile import ChangeProfile, ProfileChange
from app.commands.account.refresh_account import COMMAND as REFRESH_ACCOUNT
from app.commands.account.refresh_account import RefreshAccount, Refreshing
from app.commands.account.request_eligibility import COMMAND as REQUEST_ELIGIBILITY
from app.commands.account.request_eligibility import RequestEligibility
from app.commands.execution.context import Done
from app.commands.identity.enrolment.sign_up import SignUpAddress
from app.errors import NotReady, Outdated
from app.http.answering.command_response import QUEUED, run_command
from app.http.answering.handler_types import AnyRequest, Caller, OwnAccount, ReadStore, answers
from app.http.answering.preconditions import ANY, names_state
from app.http.answering.query_response import joined
from app.http.policies.policy import CUSTOMER, Policy
from app.postal import Address
from app.queries import profiles
from app.queries.reading.pending_writes import PendingWrite, of_slice, with_writes
from app.queries.reading.store import Answer, with_age
from app.queries.shapes import AddressAnswer, EligibilityAnswer, ProfileAnswer
from app.readmodels.ordering.eligibility import TEXTS, Eligibility, Internet
from app.readmodels.profiles import Profile

T = TypeVar("T")
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description="The ETag of the answer you hold; 412 when it is not the current one.",
        max_length=500,
    ),
]


@put(
    "/api/account/address",
    policy=Policy(roles=CUSTOMER, command=CHANGE_ADDRESS, consistency_token=True, shows_state=True),
    status_code=200,
    operation_id="replaceAddress",
    summary="Change the billing address",
    tags=["Account"],
    responses=answers(AddressAnswer, "The current address.") | QUEUED,
)
async def put_address(
    request: AnyRequest,
    actor: Caller,
    account: OwnAccount,
    store: ReadStore,
    data: JSONBody[SignUpAddress],
    if_match: IfMatch = None,
) -> Response[bytes]:
    """Write the address to the billing system and answer with the new state. With `If-Match` only if nobody has changed
    it since."""
    held = None if if_match is None else joined(request, "if-match")

    async def prepare() -> ChangeAddress:
        return ChangeAddress(data, await _expected(held, lambda: profiles.address(store, account), Address))

    async def render(done: Done) -> bytes | Answer:
        pending = partial(of_slice, store, account, profiles.PROFILES, commands=profiles.OF_ADDRESS)
        return await _now(done, lambda: profiles.address(store, account), done.result.address, pending)

    body = (data, held)
    return await run_command(request, actor, body, render=render, prepare=prepare)


@patch(
    "/api/account/profile",
    policy=Policy(roles=CUSTOMER, command=CHANGE_PROFILE, consistency_token=True, shows_state=True),
    status_code=200,
    operation_id="updateProfile",
    summary="Change the profile",
    tags=["Account"],
    responses=answers(ProfileAnswer, "The current profile.") | QUEUED,
)
async def patch_profile(
    request: AnyRequest,
    actor: Caller,
    account: OwnAccount,
    store: ReadStore,
    data: JSONBody[ProfileChange],
    if_match: IfMatch = None,
) -> Response[bytes]:
    """Write name, company and phone to the billing system and answer with the new state. With `If-Match` only if nobody
    has changed it since."""
    held = None if if_match is None else joined(request, "if-match")

    async def prepare() -> ChangeProfile:
        return ChangeProfile(data, await _expected(held, lambda: profiles.profile(store, account), Profile))

    async def render(done: Done) -> bytes | Answer:
        pending = partial(of_slice, store, account, profiles.PROFILES)
        return await _now(done, lambda: profiles.profile(store, account), done.result, pending)

    body = (data, held)
    return await run_command(request, actor, body, render=render, prepare=prepare)


@post(
    "/api/account/eligibility/request",
    policy=Policy(roles=CUSTOMER, command=REQUEST_ELIGIBILITY, consistency_token=True, shows_state=True),
    status_code=200,
    operation_id="requestEligibilityCheck",
    summary="Ask for an availability check",
    tags=["Account"],
    responses=answers(EligibilityAnswer, "The current state: being checked."),
)
async def ask_eligibility(
    request: AnyRequest,
    actor: Caller,
    account: OwnAccount,
    store: ReadStore,
    data: JSONBody[RequestEligibility | None] = None,
) -> Response[bytes]:
    """Request a check of the address on file, or of the given one, whose result replaces that of any other address. An
    agent asks the carrier, and the result appears in the eligibility. Safe to repeat."""

    async def render(done: Done) -> bytes | Answer:
        checking = Eligibility(Internet("checking", TEXTS["checking"], None, done.result.address))
        pending = partial(of_slice, store, account, profiles.ELIGIBILITIES)
        return await _now(done, lambda: profiles.eligibility(store, account), checking, pending)

    return await run_command(request, actor, data or RequestEligibility(), render=render)


@post(
    "/api/account/refresh",
    policy=Policy(roles=CUSTOMER, limit="live", command=REFRESH_ACCOUNT, consistency_token=True),
    status_code=202,
    operation_id="refreshAccount",
    summary="Have data read again from its source",
    tags=["Account"],
    responses=answers(Refreshing, "The areas that are being read again.", status=202),
)
async def refresh(request: AnyRequest, actor: Caller, data: JSONBody[RefreshAccount]) -> Response[bytes]:
    """Have these areas read again, for example when the customer comes back from a page of the billing system.

    The `Consistency-Token` stands for everything that was true in the billing system and in the sales system at this
    moment: a query that sends it with `Prefer: wait=10` shows that or something later, unless it answers
    `Consistency: pending`. Then the source is slow or unavailable (`upstream_away`); send the query again later, with
    the same token. Requests in quick succession share their reads."""
    return await run_command(request, actor, data, status=202)


async def _expected(if_match: str | None, read: Callable[[], Awaitable[Answer]], kind: type[T]) -> T | None:
    """Read the state that the caller decided on, if its validator names the current one.

    Raises:
        Outdated: the validator does not name the current state.
    """
    if if_match is None or if_match.strip() == ANY:
        return None
    answer = await read()
    if not names_state(if_match, answer.etag):
        raise Outdated
    return msgspec.json.decode(answer.body, type=kind)


async def _now(
    done: Done,
    read: Callable[[], Awaitable[Answer]],
    written: Any,
    pending: Callable[[], Awaitable[list[PendingWrite]]],
) -> bytes | Answer:
    """Answer from the read model, or with what was written while the read model is behind."""
    if done.shows:
        with contextlib.suppress(NotReady):
            return await read()
    return with_writes(with_age(msgspec.json.encode(written), datetime.now(UTC)), await pending())


ROUTES = (put_address, patch_profile, ask_eligibility, refresh)
