"""Support cases, read and written live in Salesforce."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody, Parameter

from app.commands.execution.context import Actor, Done
from app.commands.support.comment_on_case import COMMAND as COMMENT_ON_CASE
from app.commands.support.comment_on_case import CommentOn, CommentOnCase
from app.commands.support.open_case import COMMAND as OPEN_CASE
from app.commands.support.open_case import OpenCase
from app.errors import NotFound, UpstreamError
from app.http.answering.command_response import QUEUED, Render, run_command
from app.http.answering.handler_types import AnyRequest, Caller, CaseReader, ListPaging, OwnAccount, ReadStore, answers
from app.http.answering.paging import SearchParameter
from app.http.answering.query_response import NEVER_STORED, respond
from app.http.policies.policy import CUSTOMER, Policy
from app.queries import cases
from app.queries.cases import CaseSource
from app.queries.reading.pending_writes import beside
from app.queries.reading.store import Answer, Store
from app.queries.shapes import CaseAnswer, Cases

CASES = "cases"
Closed = Annotated[bool | None, Parameter(description="Only closed cases, or only open ones.")]


@get(
    "/api/cases",
    policy=Policy(roles=CUSTOMER, asks_upstream=True, cursor="cases:{account}"),
    operation_id="listCases",
    summary="Support cases",
    tags=["Support"],
    responses=answers(Cases, "A page of cases."),
)
async def list_cases(
    request: AnyRequest,
    actor: Caller,
    account: OwnAccount,
    store: ReadStore,
    cases_source: CaseReader,
    paging: ListPaging,
    closed: Closed = None,
    text: SearchParameter = None,
) -> Response[bytes]:
    """The account's support cases, newest first, read live from Salesforce. 503 while Salesforce is away. `q` searches
    subjects and numbers."""
    page, make = paging.of()

    def read() -> Awaitable[Answer]:
        return cases.list_cases(cases_source, actor.salesforce_account_id, page, make, closed, text)

    return await respond(request, account, lambda: beside(store, account, CASES, read), NEVER_STORED)


@get(
    "/api/cases/{case_id:str}",
    policy=Policy(roles=CUSTOMER, asks_upstream=True, problems=(NotFound,)),
    operation_id="getCase",
    summary="One case",
    tags=["Support"],
    responses=answers(CaseAnswer, "The case."),
)
async def get_case(
    request: AnyRequest,
    actor: Caller,
    account: OwnAccount,
    store: ReadStore,
    cases_source: CaseReader,
    case_id: FromPath[str],
) -> Response[bytes]:
    """A case of the account with its comments and attachments, read live from Salesforce."""
    return await respond(request, account, lambda: _case(store, account, cases_source, actor, case_id), NEVER_STORED)


def _case(store: Store, account: UUID, cases_source: CaseSource, actor: Actor, case_id: str) -> Awaitable[Answer]:
    def read() -> Awaitable[Answer]:
        return cases.case(cases_source, actor.salesforce_account_id, case_id)

    return beside(store, account, CASES, read, item_id=case_id)


@post(
    "/api/cases",
    policy=Policy(roles=CUSTOMER, command=OPEN_CASE, consistency_token=True, shows_state=True, asks_upstream=True),
    status_code=201,
    operation_id="openCase",
    summary="Open a case",
    tags=["Support"],
    responses=answers(CaseAnswer, "The case.", status=201),
)
async def open_case(
    request: AnyRequest, actor: Caller, store: ReadStore, cases_source: CaseReader, data: JSONBody[OpenCase]
) -> Response[bytes]:
    """Open a case in Salesforce, once per `Idempotency-Key`. Without a key, the same text within an hour is the same
    case."""
    render = case_as_it_is(store, cases_source, actor, lambda done: str(done.result.case_id))
    return await run_command(request, actor, data, status=201, render=render)


@post(
    "/api/cases/{case_id:str}/comments",
    policy=Policy(
        roles=CUSTOMER,
        command=COMMENT_ON_CASE,
        consistency_token=True,
        shows_state=True,
        asks_upstream=True,
        problems=(NotFound,),
    ),
    status_code=201,
    operation_id="commentOnCase",
    summary="Comment on a case",
    tags=["Support"],
    responses=answers(CaseAnswer, "The case with the comment.", status=201) | QUEUED,
)
async def comment_on_case(
    request: AnyRequest,
    actor: Caller,
    store: ReadStore,
    cases_source: CaseReader,
    case_id: FromPath[str],
    data: JSONBody[CommentOnCase],
) -> Response[bytes]:
    """Add a comment, which staff read in Salesforce. A repetition of the last comment is not added again."""
    render = case_as_it_is(store, cases_source, actor, lambda done: str(done.result["case_id"]))
    return await run_command(request, actor, CommentOn(case_id, data), status=201, render=render)


def case_as_it_is(store: Store, cases_source: CaseSource, actor: Actor, case_id: Callable[[Done], str]) -> Render:
    """Render the current case, or its id alone when Salesforce goes away between writing and reading."""

    async def render(done: Done) -> bytes | Answer:
        try:
            return await _case(store, actor.account_id_or_refuse(), cases_source, actor, case_id(done))
        except UpstreamError:
            return msgspec.json.encode({"case_id": case_id(done)})

    return render


ROUTES = (list_cases, get_case, open_case, comment_on_case)
