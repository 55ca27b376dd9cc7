"""The door for WHMCS's webhooks."""

from typing import Any

from litestar import Request, Response, post

from app.commands.context import Context
from app.ingest.receive import receive_whmcs


@post("/webhooks/whmcs", status_code=202, summary="WHMCS webhook", tags=["Inbound"])
async def whmcs_webhook(request: Request[Any, Any, Any]) -> Response[None]:
    """Standard Webhooks signature; 202 means it is in the inbox. Repetitions are absorbed."""
    context: Context = request.app.state.context
    body = await request.body()
    await receive_whmcs(context.inbox, context.settings, dict(request.headers), body)
    return Response(None, status_code=202)


ROUTES = (whmcs_webhook,)
