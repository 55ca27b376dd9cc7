"""Files of support cases, read and written live in Salesforce."""

import re
from urllib.parse import quote

from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from app.commands.support.attach_to_case import COMMAND as ATTACH_TO_CASE
from app.commands.support.attach_to_case import LARGEST_BYTES, AttachTo, AttachToCase
from app.errors import NotFound, TooLarge
from app.http.answering.command_response import run_command
from app.http.answering.handler_types import AnyRequest, AppContext, Caller, CaseReader, OwnAccount, ReadStore, answers
from app.http.answering.query_response import NEVER_STORED, VERSION_HEADER
from app.http.policies.policy import CUSTOMER, Policy
from app.http.routes.cases import case_as_it_is
from app.queries import cases
from app.queries.reading.account_version import current
from app.queries.shapes import CaseAnswer

LARGEST_BODY_BYTES = LARGEST_BYTES * 4 // 3 + 1_024
"""The size of a file as base64, with its name."""
PATH = re.compile(r"/api/cases/[^/]+/attachments/?")
"""The path to which files are sent."""
SHOWN_AS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "pdf": "application/pdf"}
"""Extension → media type; anything else is `application/octet-stream`. All are downloads, none is shown inline."""


@post(
    "/api/cases/{case_id:str}/attachments",
    policy=Policy(roles=CUSTOMER, command=ATTACH_TO_CASE, shows_state=True, asks_upstream=True, problems=(NotFound,)),
    status_code=201,
    request_max_body_size=LARGEST_BODY_BYTES,
    operation_id="attachToCase",
    summary="Attach a file to a case",
    tags=["Support"],
    responses=answers(CaseAnswer, "The case with the attachment.", status=201),
)
async def attach_to_case(
    request: AnyRequest,
    actor: Caller,
    store: ReadStore,
    cases_source: CaseReader,
    case_id: FromPath[str],
    data: JSONBody[AttachToCase],
) -> Response[bytes]:
    """Attach a picture, a PDF or a plain text of up to 5 MiB, as base64. The same content is attached once."""
    render = case_as_it_is(store, cases_source, actor, lambda done: str(done.result["case_id"]))
    return await run_command(request, actor, AttachTo(case_id, data), status=201, render=render)


@get(
    "/api/cases/{case_id:str}/attachments/{attachment_id:str}",
    policy=Policy(roles=CUSTOMER, asks_upstream=True, problems=(NotFound, TooLarge)),
    operation_id="getAttachment",
    summary="Read an attachment",
    tags=["Support"],
    responses={
        200: ResponseSpec(
            bytes,
            generate_examples=False,
            media_type="application/octet-stream",
            description="The bytes of the file, as a download.",
        )
    },
)
async def get_attachment(
    actor: Caller,
    account: OwnAccount,
    context: AppContext,
    cases_source: CaseReader,
    case_id: FromPath[str],
    attachment_id: FromPath[str],
) -> Response[bytes]:
    """Download the content of an attachment of the caller's own case."""
    version = await current(context.pool, account)
    found = await cases.attachment(cases_source, actor.salesforce_account_id, case_id, attachment_id)
    kind = SHOWN_AS.get(found.name.rpartition(".")[2].lower(), "application/octet-stream")
    headers = {
        "Cache-Control": NEVER_STORED,
        VERSION_HEADER: str(version),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
    }
    return Response(found.body, media_type=kind, headers=headers)


ROUTES = (attach_to_case, get_attachment)
