"""What a customer can do now."""

from litestar import Litestar, Response, get

from app.http.answering.handler_types import AnyRequest, OwnAccount, ReadStore, answers, context_of
from app.http.answering.query_response import respond
from app.http.policies.policy import CUSTOMER, Policy
from app.http.policies.table import routes_of
from app.queries.reading import capabilities
from app.queries.reading.capabilities import Capabilities
from app.readmodels.ordering.capabilities import CommandNeeds


@get(
    "/api/account/capabilities",
    policy=Policy(roles=CUSTOMER),
    operation_id="listCapabilities",
    summary="What can I do now?",
    tags=["Account"],
    responses=answers(Capabilities, "Every command of a customer, and whether it can be sent now."),
)
async def list_capabilities(request: AnyRequest, account: OwnAccount, store: ReadStore) -> Response[bytes]:
    """For every command whether it is accepted now, why not, and until when: from the state of the account, settings
    and the health of the systems behind. No system is called. It is asked again with `If-None-Match`: after an event of
    the stream, and every half minute while something is away."""
    settings = context_of(request).settings
    most = settings.queued_per_account
    commands = _commands(request.app)
    return await respond(request, account, lambda: capabilities.capabilities(store, account, commands, most))


def _commands(app: Litestar) -> list[CommandNeeds]:
    """Return the commands that customers may send, as their registrations declare them; the routes never change."""
    found: list[CommandNeeds] | None = app.state.get("capable")
    if found is None:
        policies = [route.policy for route in routes_of(app) if CUSTOMER.issubset(route.policy.roles or ())]
        named = {each.command.name: each.command for each in policies if each.command}
        found = [
            CommandNeeds(name=name, upstreams=command.upstreams, queues=command.away == "queue", needs=command.needs)
            for name, command in sorted(named.items())
        ]
        app.state["capable"] = found
    return found


ROUTES = (list_capabilities,)
