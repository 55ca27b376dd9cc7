"""Support cases, live from Salesforce."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath, JSONBody

from app.commands.context import Done
from app.commands.open_case import OpenCase
from app.commands.registry import OPEN_CASE
from app.http.inputs import Caller, answers
from app.http.respond import NEVER_STORED, respond
from app.http.run_command import run_command
from app.queries import cases
from app.queries.answers import CaseAnswer, Cases


@get("/api/cases", summary="Support cases", tags=["Support"], responses=answers(Cases, "The account's cases."))
async def list_cases(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Newest first, asked of Salesforce now."""
    source, account_id = request.app.state.cases, actor.account_id_or_refuse()
    return await respond(
        request, account_id, lambda: cases.list_cases(source, actor.salesforce_account_id), NEVER_STORED
    )


@get("/api/cases/{case_id:str}", summary="One case", tags=["Support"], responses=answers(CaseAnswer, "The case."))
async def get_case(request: Request[Any, Any, Any], actor: Caller, case_id: FromPath[str]) -> Response[bytes]:
    """Asked of Salesforce now; only the account's own."""
    source, account_id = request.app.state.cases, actor.account_id_or_refuse()
    return await respond(
        request, account_id, lambda: cases.case(source, actor.salesforce_account_id, case_id), NEVER_STORED
    )


@post(
    "/api/cases",
    status_code=201,
    summary="Open a case",
    tags=["Support"],
    responses=answers(CaseAnswer, "The case.", status=201),
)
async def open_case(request: Request[Any, Any, Any], actor: Caller, data: JSONBody[OpenCase]) -> Response[bytes]:
    """Opens it in Salesforce. The same words within the hour are the same case."""

    async def render(done: Done) -> bytes:
        source = request.app.state.cases
        return (await cases.case(source, actor.salesforce_account_id, done.result.case_id)).body

    return await run_command(request, OPEN_CASE, actor, data, status=201, render=render)


ROUTES = (list_cases, get_case, open_case)
