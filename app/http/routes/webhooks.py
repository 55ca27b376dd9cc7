"""The doors for webhooks: WHMCS's, and those of a Salesforce org that pushes instead of streaming."""

from collections.abc import Awaitable, Callable, Mapping

from litestar import Response, post

from app.commands.execution.context import Context
from app.errors import InvalidRequest, NotFound, RuleViolated
from app.http.answering.handler_types import AnyRequest, AppContext, Injected
from app.http.policies.policy import ANYBODY, Policy
from app.ingest.inbox.inbox import Inbox
from app.ingest.sources.admission import LARGEST_BYTES, InboxAdmission
from app.ingest.sources.webhooks import receive_salesforce, receive_whmcs, takes_salesforce
from app.settings import Settings

Admission = Injected[InboxAdmission]
"""`inbox_admission`: admits webhooks while the inbox has room."""
ReceiveWebhook = Callable[[Inbox, InboxAdmission, Settings, Mapping[str, str], bytes], Awaitable[int]]


@post(
    "/webhooks/whmcs",
    policy=Policy(roles=ANYBODY, signed=True, limit="none"),
    status_code=202,
    summary="WHMCS webhook",
    tags=["Inbound"],
    request_max_body_size=LARGEST_BYTES,
)
async def whmcs_webhook(request: AnyRequest, context: AppContext, inbox_admission: Admission) -> Response[None]:
    """Standard Webhooks signature; 202 means it is in the inbox. Repetitions are absorbed; 503 asks to come back."""
    return await _accept(request, context, inbox_admission, receive_whmcs)


@post(
    "/webhooks/salesforce",
    policy=Policy(roles=ANYBODY, signed=True, limit="none", problems=(NotFound,)),
    status_code=202,
    summary="Salesforce webhook",
    tags=["Inbound"],
    request_max_body_size=LARGEST_BYTES,
)
async def salesforce_webhook(request: AnyRequest, context: AppContext, inbox_admission: Admission) -> Response[None]:
    """For orgs that push instead of stream: `{"event", "object", "id", "occurred_at"}`, signed the same way. 404 unless
    a secret is configured."""
    if not takes_salesforce(context.settings):
        raise NotFound
    return await _accept(request, context, inbox_admission, receive_salesforce)


async def _accept(
    request: AnyRequest, context: Context, admission: InboxAdmission, receive: ReceiveWebhook
) -> Response[None]:
    try:
        await receive(context.inbox, admission, context.settings, dict(request.headers), await request.body())
    except InvalidRequest as error:
        # The contract answers 422, so that a sender tells it from a request that never was a webhook.
        raise RuleViolated(error.detail, code=error.code) from error
    return Response(None, status_code=202)


ROUTES = (whmcs_webhook, salesforce_webhook)
