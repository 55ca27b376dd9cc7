"""What operators and support do over HTTP. Every access is in the audit log; the command line can do more."""

from typing import Annotated
from uuid import UUID

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from app.audit import Operator
from app.commands.execution.context import Actor
from app.errors import NotFound
from app.http.answering.handler_types import AppContext, Caller, answers
from app.http.answering.query_response import unstored
from app.http.policies.policy import OPERATOR, SUPPORT, Policy
from app.ingest.apply import dead_letters, resolve
from app.ingest.apply.dead_letters import DeadLetter
from app.ingest.apply.resolve import Resolved
from app.ingest.lag.measure import measure
from app.ingest.lag.report import Measures
from app.inputs.text import Line
from app.projections import explain as explanations
from app.projections.engine import generations
from app.projections.engine.generations import Generation
from app.projections.explain.shapes import Explanation
from app.projections.rebuild import asked
from app.projections.registry import projectors

Id = Annotated[int, PathParameter(ge=1, le=2**62, description="Number of the dead letter.")]


class DeadLetters(Struct, frozen=True):
    """Parked entries, personal data hidden."""

    items: list[DeadLetter]


class Discard(Struct, forbid_unknown_fields=True):
    """Why an entry is given up; it stands in the audit log."""

    reason: Annotated[Line, Meta(min_length=1, max_length=500)]


class Decided(Struct, frozen=True):
    """What a decision did; `already` were decided before."""

    ids: list[int]
    already: list[int]


class Projections(Struct, frozen=True):
    """How far behind everything is, and which generations there are."""

    measures: Measures
    generations: list[Generation]


class RebuildAsked(Struct, frozen=True):
    """A worker begins within half a minute; its progress shows among the generations."""

    name: str


@get(
    "/api/admin/dead-letters",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    summary="What is parked",
    tags=["Operators"],
    responses=answers(DeadLetters, "At most 500, personal data hidden."),
)
async def list_dead_letters(
    context: AppContext,
    resolved: Annotated[bool, QueryParameter(description="Those decided about, newest first.")] = False,
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100,
) -> Response[bytes]:
    """Open ones, oldest first."""
    return unstored(DeadLetters(await dead_letters.listed(context.pool, resolved=resolved, limit=limit)))


@post(
    "/api/admin/dead-letters/{letter_id:int}/retry",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    summary="Try again",
    tags=["Operators"],
    responses=answers(Decided, "What is tried again."),
)
async def retry(actor: Caller, context: AppContext, letter_id: Id) -> Response[bytes]:
    """The record is read again upstream, and all that is parked of it tried at once. Safe to repeat."""
    done = await resolve.retry(context.pool, context.inbox.wake, [letter_id], operator_of(actor))
    return unstored(_decided(done))


@post(
    "/api/admin/dead-letters/{letter_id:int}/discard",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    summary="Give up an entry",
    tags=["Operators"],
    responses=answers(Decided, "What is given up."),
)
async def discard(actor: Caller, context: AppContext, letter_id: Id, data: JSONBody[Discard]) -> Response[bytes]:
    """For good, with all that is parked of the record; later changes move on, and the record is read again."""
    operator = operator_of(actor)
    done = await resolve.discard(context.pool, context.inbox.wake, [letter_id], operator, data.reason)
    return unstored(_decided(done))


@get(
    "/api/admin/projections",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    summary="How far behind, and which generations",
    tags=["Operators"],
    responses=answers(Projections, "Feeds, lanes, what is parked, and every generation."),
)
async def list_projections(context: AppContext) -> Response[bytes]:
    """What `portal lag` and `portal rebuild` show."""
    settings = context.settings
    found = await measure(context.pool, (settings.salesforce_channel, settings.salesforce_eligibility_topic))
    async with context.pool.acquire() as connection:
        return unstored(Projections(found, await generations.existing(connection)))


@post(
    "/api/admin/projections/{name:str}/rebuild",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=202,
    summary="Rebuild a read model",
    tags=["Operators"],
    responses=answers(RebuildAsked, "A worker will.", status=202),
)
async def ask_rebuild(context: AppContext, name: Annotated[str, PathParameter(max_length=60)]) -> Response[bytes]:
    """From the mirror, beside the one that serves; asking twice is asking once."""
    if name not in {each.name for each in projectors(context.settings)}:
        raise NotFound("There is no such read model.")
    await asked.ask(context.pool, name)
    return unstored(RebuildAsked(name), status=202)


@get(
    "/api/admin/accounts/{account_id:uuid}/explain/{resource:str}/{item_id:str}",
    policy=Policy(roles=OPERATOR | SUPPORT, asks_upstream=True, problems=(NotFound,)),
    summary="Why an account shows what it shows",
    tags=["Operators"],
    responses=answers(Explanation, "The row, its records, and what came in for them."),
)
async def explain(
    context: AppContext,
    account_id: Annotated[UUID, PathParameter(description="Of the portal account.")],
    resource: Annotated[str, PathParameter(max_length=60, description="A read model, e.g. `invoices`.")],
    item_id: Annotated[str, PathParameter(max_length=100, description="The upstream's id.")],
) -> Response[bytes]:
    """Ids, versions and times; no record's data."""
    named = {each.name: each for each in projectors(context.settings)}
    if resource not in named:
        raise NotFound("There is no such read model.")
    async with context.pool.acquire() as connection:
        found = await explanations.explain(connection, named[resource], item_id)
    if found.account_id != account_id:
        raise NotFound("Nothing of this account is known under that id.")
    return unstored(found)


def operator_of(actor: Actor) -> Operator:
    """Who decides, for the audit log."""
    return Operator(user_id=actor.user_id, request_id=actor.request_id, address=actor.address)


def _decided(done: Resolved) -> Decided:
    return Decided(done.ids, done.already)


ROUTES = (list_dead_letters, retry, discard, list_projections, ask_rebuild, explain)
