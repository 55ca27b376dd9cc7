"""Support cases, live from Salesforce."""

from collections.abc import Callable
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody, Parameter

from app.commands.execution.context import Actor, Done
from app.commands.registry import COMMENT_ON_CASE, OPEN_CASE
from app.commands.support.comment_on_case import CommentOn, CommentOnCase
from app.commands.support.open_case import OpenCase
from app.errors import NotFound, UpstreamError
from app.http.answering.command_response import Render, run_command
from app.http.answering.handler_types import AnyRequest, Caller, CaseReader, ListPaging, OwnAccount, answers
from app.http.answering.query_response import NEVER_STORED, respond
from app.http.policies.policy import CUSTOMER, Policy
from app.queries import cases
from app.queries.cases import CaseSource
from app.queries.shapes import CaseAnswer, Cases

Closed = Annotated[bool | None, Parameter(description="Only closed ones, or only those that are not.")]


@get(
    "/api/cases",
    policy=Policy(roles=CUSTOMER, asks_upstream=True, cursor="cases:{account}"),
    summary="Support cases",
    tags=["Support"],
    responses=answers(Cases, "A page of cases."),
)
async def list_cases(
    request: AnyRequest,
    actor: Caller,
    account: OwnAccount,
    cases_source: CaseReader,
    paging: ListPaging,
    closed: Closed = None,
) -> Response[bytes]:
    """Newest first, asked of Salesforce now."""
    page, make = paging.of()
    return await respond(
        request,
        account,
        lambda: cases.list_cases(cases_source, actor.salesforce_account_id, page, make, closed),
        NEVER_STORED,
    )


@get(
    "/api/cases/{case_id:str}",
    policy=Policy(roles=CUSTOMER, asks_upstream=True, problems=(NotFound,)),
    summary="One case",
    tags=["Support"],
    responses=answers(CaseAnswer, "The case."),
)
async def get_case(
    request: AnyRequest,
    actor: Caller,
    account: OwnAccount,
    cases_source: CaseReader,
    case_id: FromPath[str],
) -> Response[bytes]:
    """With what both sides said about it, asked of Salesforce now; only the account's own."""
    return await respond(
        request, account, lambda: cases.case(cases_source, actor.salesforce_account_id, case_id), NEVER_STORED
    )


@post(
    "/api/cases",
    policy=Policy(roles=CUSTOMER, command=OPEN_CASE, asks_upstream=True),
    status_code=201,
    summary="Open a case",
    tags=["Support"],
    responses=answers(CaseAnswer, "The case.", status=201),
)
async def open_case(
    request: AnyRequest, actor: Caller, cases_source: CaseReader, data: JSONBody[OpenCase]
) -> Response[bytes]:
    """Opens it in Salesforce, once an `Idempotency-Key`; without one the same words within the hour are the same
    case."""
    render = case_as_it_is(cases_source, actor, lambda done: str(done.result.case_id))
    return await run_command(request, actor, data, status=201, render=render)


@post(
    "/api/cases/{case_id:str}/comments",
    policy=Policy(roles=CUSTOMER, command=COMMENT_ON_CASE, asks_upstream=True, problems=(NotFound,)),
    status_code=201,
    summary="Comment on a case",
    tags=["Support"],
    responses=answers(CaseAnswer, "The case with the comment.", status=201),
)
async def comment_on_case(
    request: AnyRequest,
    actor: Caller,
    cases_source: CaseReader,
    case_id: FromPath[str],
    data: JSONBody[CommentOnCase],
) -> Response[bytes]:
    """Staff read it in Salesforce. What was the last word already is not said twice."""
    render = case_as_it_is(cases_source, actor, lambda done: str(done.result["case_id"]))
    return await run_command(request, actor, CommentOn(case_id, data), status=201, render=render)


def case_as_it_is(cases_source: CaseSource, actor: Actor, case_id: Callable[[Done], str]) -> Render:
    """The case as it is now is the answer; when Salesforce goes away between writing and reading, its id alone."""

    async def render(done: Done) -> bytes:
        try:
            return (await cases.case(cases_source, actor.salesforce_account_id, case_id(done))).body
        except UpstreamError:
            return msgspec.json.encode({"case_id": case_id(done)})

    return render


ROUTES = (list_cases, get_case, open_case, comment_on_case)
