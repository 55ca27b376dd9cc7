"""Inbound webhooks of WHMCS, and of a Salesforce org that pushes instead of streaming."""

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
    operation_id="receiveWhmcsWebhook",
    summary="WHMCS webhook",
    tags=["Inbound"],
    request_max_body_size=LARGEST_BYTES,
)
async def whmcs_webhook(request: AnyRequest, context: AppContext, inbox_admission: Admission) -> Response[None]:
    """Accept a webhook signed by Standard Webhooks. 202 means that it is stored in the inbox. Repetitions are ignored;
    retry after 503."""
    return await _accept(request, context, inbox_admission, receive_whmcs)


@post(
    "/webhooks/salesforce",
    policy=Policy(roles=ANYBODY, signed=True, limit="none", problems=(NotFound,)),
    status_code=202,
    operation_id="receiveSalesforceWebhook",
    summary="Salesforce webhook",
    tags=["Inbound"],
    request_max_body_size=LARGEST_BYTES,
)
async def salesforce_webhook(request: AnyRequest, context: AppContext, inbox_admission: Admission) -> Response[None]:
    """Accept a change `{"event", "object", "id", "occurred_at"}` from an org that pushes instead of streaming, signed
    by Standard Webhooks. 404 unless a secret is configured."""
    if not takes_salesforce(context.settings):
        raise NotFound
    return await _accept(request, context, inbox_admission, receive_salesforce)


async def _accept(
    request: AnyRequest, context: Context, admission: InboxAdmission, receive: ReceiveWebhook
) -> Response[None]:
    try:
        await receive(context.inbox, admission, context.settings, dict(request.headers), await request.body())
    except InvalidRequest as error:
        # The contract says 422, to distinguish it from a request that is no webhook at all.
        raise RuleViolated(error.detail, code=error.code) from error
    return Response(None, status_code=202)


ROUTES = (whmcs_webhook, salesforce_webhook)
