"""The door for WHMCS's webhooks."""

from typing import Any

from litestar import Request, Response, post

from app.commands.context import Context
from app.errors import InvalidRequest, RuleViolated
from app.ingest.receive import receive_whmcs

LARGEST_BYTES = 262_144


@post(
    "/webhooks/whmcs",
    status_code=202,
    summary="WHMCS webhook",
    tags=["Inbound"],
    request_max_body_size=LARGEST_BYTES,
)
async def whmcs_webhook(request: Request[Any, Any, Any]) -> Response[None]:
    """Standard Webhooks signature; 202 means it is in the inbox. Repetitions are absorbed."""
    context: Context = request.app.state.context
    body = await request.body()
    try:
        await receive_whmcs(context.inbox, context.settings, dict(request.headers), body)
    except InvalidRequest as error:
        # The contract answers 422, so that a sender tells it from a request that never was a webhook.
        raise RuleViolated(error.detail, code=error.code) from error
    return Response(None, status_code=202)


ROUTES = (whmcs_webhook,)
