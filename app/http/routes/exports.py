"""The customer's own export of personal data: ask for it, look whether it is ready, download it."""

from typing import Annotated
from uuid import UUID

from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter

from app.commands.account.export_journal import download
from app.commands.account.request_export import COMMAND as REQUEST_EXPORT
from app.commands.account.request_export import Export, RequestExport, state_of
from app.errors import NotFound, RateLimited
from app.http.answering.command_response import run_command
from app.http.answering.handler_types import AnyRequest, AppContext, Caller, OwnAccount, answers
from app.http.answering.query_response import NEVER_STORED, VERSION_HEADER, unstored
from app.http.policies.policy import CUSTOMER, Policy
from app.queries.reading.account_version import current, exactly

ZIP = "application/zip"


@post(
    "/api/account/export",
    policy=Policy(roles=CUSTOMER, limit="payment", command=REQUEST_EXPORT, problems=(RateLimited,)),
    status_code=202,
    operation_id="requestExport",
    summary="Ask for a copy of your data",
    tags=["Account"],
    responses=answers(Export, "The copy that is being made, or that is ready already.", status=202),
)
async def request_export(request: AnyRequest, actor: Caller, data: JSONBody[RequestExport]) -> Response[bytes]:
    """Ask for a copy of the personal data that the portal has of you. A worker makes it within minutes; a mail and
    `export.changed` tell when. It can be downloaded for 24 hours, and no other one is made before that. Requires the
    password, and a code where the second factor is on."""
    return await run_command(request, actor, data, status=202)


@get(
    "/api/account/export",
    policy=Policy(roles=CUSTOMER, conditional=False, problems=(NotFound,)),
    operation_id="getExport",
    summary="Is the copy of your data ready",
    tags=["Account"],
    responses=answers(Export, "The copy that was asked for last."),
)
async def get_export(actor: Caller, account: OwnAccount, context: AppContext) -> Response[bytes]:
    """The copy that you asked for last, until it expires."""
    found, version = await exactly(context.pool, account, lambda: state_of(context.pool, account, actor.user_id))
    answer = unstored(found)
    answer.headers[VERSION_HEADER] = str(version)
    return answer


@get(
    "/api/account/export/{export_id:uuid}/archive",
    policy=Policy(roles=CUSTOMER, limit="payment", conditional=False, problems=(NotFound,)),
    operation_id="downloadExport",
    summary="Download the copy of your data",
    tags=["Account"],
    responses={200: ResponseSpec(bytes, generate_examples=False, media_type=ZIP, description="A ZIP of JSON files.")},
)
async def download_export(
    actor: Caller,
    account: OwnAccount,
    context: AppContext,
    export_id: Annotated[UUID, PathParameter(description="`export_id` of a copy that is `ready`.")],
) -> Response[bytes]:
    """One ZIP with a JSON file for each subject, and a manifest. Only the user who asked for it gets it."""
    version = await current(context.pool, account)
    archive = await download(context.pool, actor, export_id)
    headers = {
        "Cache-Control": NEVER_STORED,
        VERSION_HEADER: str(version),
        "Content-Disposition": 'attachment; filename="my-data.zip"',
    }
    return Response(archive, media_type=ZIP, headers=headers)


ROUTES = (request_export, get_export, download_export)
