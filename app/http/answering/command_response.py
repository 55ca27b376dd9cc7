"""Run a command for a request: idempotency ledger, bounded wait for its effect, the first answer kept for replays."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

import msgspec
from litestar import Response
from msgspec import structs

from app.commands.execution import ledger
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.execution.execute import audited
from app.commands.execution.queue import QueuedCommand, run_or_wait
from app.commands.execution.recorded import KeptAnswer, recorded
from app.errors import InvalidRequest, Violation
from app.http.answering.handler_types import AnyRequest, answers, context_of
from app.http.answering.languages import in_own_words
from app.http.answering.problems import COMMAND_ID, as_told
from app.http.answering.query_response import VERSION_HEADER, consistency_token
from app.http.policies.policy import policy_of
from app.queries.reading.account_version import exactly
from app.queries.reading.store import Answer
from app.words.sentence import say

KEY_HEADER = "idempotency-key"
LONGEST_KEY = 200

Render = Callable[[Done], Awaitable[bytes | Answer]]
"""Renders what a command did. The answer of a query has the validator that a read would have now."""

QUEUED = answers(QueuedCommand, "Kept while a system is away, and carried out when it is back.", status=202)
"""The second answer of a command that can wait."""

Prepare = Callable[[], Awaitable[Any]]


async def run_command(
    request: AnyRequest,
    actor: Actor,
    body: Any,
    *,
    status: int = 200,
    render: Render | None = None,
    prepare: Prepare | None = None,
) -> Response[bytes]:
    """Run the command of the route's policy, once for each `Idempotency-Key` that the caller sends.

    `render` turns the result into the answer once the change is visible or the wait is over; without it the result is
    the answer. Where it reads the answer from a query, that answer's `ETag` is sent with it; a replay has none, because
    the state may be another by then. `prepare` builds the command's request; it does not run for a replay.
    """
    context = context_of(request)
    command = _command(request)
    key = _key(request, command)

    async def work(by: Actor) -> KeptAnswer:
        wanted = await prepare() if prepare else body
        return await run_or_wait(context, command, by, wanted, lambda: _run(context, command, by, wanted, render))

    if not key and not (command.tracked and actor.account_id):
        return _response(request, status, await work(actor))
    about = request.url.path.encode() + b"\0" + msgspec.json.encode(body)
    begun = await _begin(context, actor, key or f"unkeyed:{uuid4()}", command, about)
    request.scope[COMMAND_ID] = str(begun.id)  # type: ignore[literal-required]
    if isinstance(begun, ledger.Replay):
        headers = {"Idempotency-Replayed": "true", "Command-Id": str(begun.id)}
        first = KeptAnswer(begun.body, begun.submission, actor.account_id, begun.account_version)
        return _response(request, begun.status, first, headers)
    own = key or (f"unkeyed:{begun.id}" if command.away == "queue" else "")
    command_key = f"{scope_of(actor)}:{own}" if own else ""
    actor = msgspec.structs.replace(actor, command_key=command_key, command_id=begun.id)
    answer = await recorded(context, command, begun, status, work(actor), as_told)
    return _response(request, answer.status or status, answer, {"Command-Id": str(begun.id)})


async def run_silently(request: AnyRequest, actor: Actor, body: Any) -> Response[None]:
    """Run the command of the route's policy and answer 204. Nothing is kept for a replay: such commands are
    idempotent."""
    await audited(context_of(request), actor, _command(request), body)
    return Response(None, status_code=204, headers={"Cache-Control": "no-store"})


def _command(request: AnyRequest) -> Command:
    command = policy_of(request.route_handler).command
    if command is None:
        raise RuntimeError(f"The policy of {request.route_handler} names no command to run.")
    return command


def scope_of(actor: Actor) -> str:
    """Return the scope of a caller's keys: two callers may use the same key for different requests."""
    return str(actor.account_id or actor.user_id or actor.address)


async def _begin(
    context: Context, actor: Actor, key: str, command: Command, body: bytes
) -> ledger.Running | ledger.Replay:
    return await ledger.begin(
        context.pool,
        keyring=context.settings.keyring,
        scope=scope_of(actor),
        key=key,
        name=command.name,
        account_id=actor.account_id,
        body=body,
    )


async def _run(context: Context, command: Command, actor: Actor, request: Any, render: Render | None) -> KeptAnswer:
    done = await audited(context, actor, command, request)
    if done.submission is not None and command.awaited:
        shows = await context.inbox.settled(done.submission, context.settings.settle_wait_seconds)
        done = msgspec.structs.replace(done, shows=shows)

    async def shown() -> bytes | Answer:
        return await render(done) if render else msgspec.json.encode(done.result)

    account_id = done.account_id or actor.account_id
    if actor.account_id is None or (render and not command.tracked):  # what a render of a sign-in does cannot be redone
        return _kept(await shown(), done.submission, account_id)
    found, version = await exactly(context.pool, actor.account_id, shown)
    outcome = done.outcome if done.submission is None else None
    return structs.replace(_kept(found, done.submission, account_id), account_version=version, outcome=outcome)


def _kept(shown: bytes | Answer, submission: int | None, account_id: UUID | None) -> KeptAnswer:
    if isinstance(shown, bytes):
        return KeptAnswer(shown, submission, account_id)
    return KeptAnswer(shown.body, submission, account_id, etag=shown.etag)


def _key(request: AnyRequest, command: Command) -> str:
    key = request.headers.get(KEY_HEADER, "").strip()
    if len(key) > LONGEST_KEY or (not key and command.idempotency_key == "required"):
        sentence = say("problems.idempotency_key_required", most=LONGEST_KEY)
        problem = Violation("Idempotency-Key", "idempotency_key_required", sentence)
        raise InvalidRequest(sentence, code="idempotency_key_required", errors=[problem])
    return key


def _response(
    request: AnyRequest, status: int, answer: KeptAnswer, extra: Mapping[str, str] | None = None
) -> Response[bytes]:
    context, (body, words) = context_of(request), in_own_words(request.scope, request.route_handler, answer.body)
    headers = {"Cache-Control": "no-store", **words, **(extra or {})}
    if answer.submission is not None and answer.account_id:
        headers["Consistency-Token"] = consistency_token(context.settings, answer.account_id, answer.submission)
    if answer.account_version is not None:
        headers[VERSION_HEADER] = str(answer.account_version)
    if answer.etag:
        headers["ETag"] = answer.etag
    return Response(body, status_code=status, media_type="application/json", headers=headers)
