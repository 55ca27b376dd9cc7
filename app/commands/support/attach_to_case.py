"""Attach a file to a case of one's own: a picture, a PDF or a plain text, recognised by its content, not its name.

The same bytes on the same case are the same attachment, so neither a retry nor a time-out after the write makes a
second one. A file that the scanner reports, or cannot judge, is not forwarded. Formulas in CSV files are neutralised.

Writes: Salesforce ContentVersion.
"""

import asyncio
import re
from typing import Annotated

import structlog
from msgspec import Meta, Struct

from app.commands.execution import pending_write
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.execution.pending_write import write_of
from app.commands.support.comment_on_case import own_case, same_case
from app.errors import Conflict, OutcomeUnknown, RuleViolated, UpstreamUnavailable
from app.inputs.text import FileName, is_harmful
from app.intake.formulas import neutralised
from app.integrations import scanner
from app.integrations.salesforce.cases import SalesforceCases
from app.words.sentence import say

LARGEST_BYTES = 5 * 1024 * 1024
MOST_ATTACHMENTS = 20
KINDS = {
    ("png",): re.compile(rb"\x89PNG\r\n\x1a\n"),
    ("jpg", "jpeg"): re.compile(rb"\xff\xd8\xff"),
    ("gif",): re.compile(rb"GIF8[79]a"),
    ("webp",): re.compile(rb"RIFF....WEBP", re.DOTALL),
    ("heic", "heif"): re.compile(rb"....ftyp(heic|heix|mif1|msf1)", re.DOTALL),
    ("pdf",): re.compile(rb"%PDF-"),
}
"""Extensions → the first bytes of such a file."""
_UNPRINTABLE = re.compile(r"[^\w .()\-]")
_TEXT_CONTROLS = frozenset("\r\n\t\ufeff")

log = structlog.get_logger()


class AttachToCase(Struct, forbid_unknown_fields=True):
    """The file to attach; `content` is base64."""

    name: Annotated[FileName, Meta(min_length=1, max_length=200)]
    """The name of the file with its extension."""
    content: Annotated[bytes, Meta(min_length=1, max_length=LARGEST_BYTES)]
    """The bytes of the file as base64, up to 5 MiB of them."""


class AttachTo(Struct, frozen=True):
    """The case named by the path, and the file."""

    case_id: str
    file: AttachToCase


async def attach_to_case(ctx: Context, actor: Actor, request: AttachTo) -> Done:
    """Attach a file to the caller's own case, unless it is attached already.

    Raises:
        NotFound: `case_not_found`.
        RuleViolated: `attachment_type_not_allowed`, `attachment_infected`, `too_many_attachments`.
        ScannerUnavailable: the configured scanner gave no verdict.
        Conflict: `case_closed`, `request_in_progress`.
        OutcomeUnknown: Salesforce did not answer; repeat the same request to find out.
    """
    account_id = actor.account_id_or_refuse()
    cases, content = SalesforceCases(ctx.salesforce), request.file.content
    name = _name(request.file.name, content)
    await _refuse_malware(ctx, actor, content)
    if name.endswith(".csv"):
        content = await asyncio.to_thread(_neutralised, content)
    async with ctx.locks.exclusively("attach_to_case", account_id, same_case(request.case_id)) as mine:
        if not mine:
            raise Conflict(say("account.request_in_progress"), code="request_in_progress", retry_after_seconds=2)
        case = await own_case(cases, actor, request.case_id)
        if not await cases.same_file(case["Id"], content):
            if case["IsClosed"]:
                raise Conflict(say("support.closed_already"), code="case_closed")
            if len(case["Files"]) >= MOST_ATTACHMENTS:
                sentence = say("support.most_attachments", most=MOST_ATTACHMENTS)
                raise RuleViolated(sentence, code="too_many_attachments")
            await pending_write.begin(ctx, write_of(actor, COMMAND.name, "cases", {"name": name}, item_id=case["Id"]))
            await _attach(cases, case["Id"], name, content)
    return Done({"case_id": case["Id"]}, outcome="shown", target=case["Id"])


async def _refuse_malware(ctx: Context, actor: Actor, content: bytes) -> None:
    """Scan the file before a lock is taken, because a scan may be slow."""
    if found := await scanner.found_in(ctx.settings, content):
        log.warning("attachment_infected", found=found, account_id=str(actor.account_id))
        raise RuleViolated(say("support.attachment_harmful"), code="attachment_infected")


def _name(given: str, content: bytes) -> str:
    """Return the bare file name, with an extension that fits the content."""
    stem, _, extension = re.split(r"[\\/]", given)[-1].strip().rpartition(".")
    extensions = next((names for names, begins in KINDS.items() if begins.match(content)), _text(content))
    if not extensions:
        raise RuleViolated(say("support.attachment_kinds"), code="attachment_type_not_allowed")
    kept = extension.lower() if extension.lower() in extensions else extensions[0]
    base = stem if extension.lower() in extensions else f"{stem}.{extension}".strip(".")
    return f"{_UNPRINTABLE.sub('_', base) or 'file'}.{kept}"


def _text(content: bytes) -> tuple[str, ...]:
    """Recognise plain text, which has no magic number, by the absence of control characters."""
    try:
        plain = content.decode()
    except UnicodeDecodeError:
        return ()
    return () if any(map(is_harmful, set(plain) - _TEXT_CONTROLS)) else ("txt", "log", "csv")


def _neutralised(table: bytes) -> bytes:
    return neutralised(table.decode()).encode()


async def _attach(cases: SalesforceCases, case_id: str, name: str, content: bytes) -> None:
    """Attach the file. After an unknown outcome look at the case; if that does not settle it, the caller repeats."""
    try:
        await cases.attached(case_id, name, content)
    except OutcomeUnknown as unknown:
        try:
            found = await cases.same_file(case_id, content)
        except UpstreamUnavailable:
            raise unknown from None
        if not found:
            raise
        log.info("attachment_found_after_unknown_outcome", case_id=case_id)


COMMAND = Command(attach_to_case, writes=("salesforce",), away="refuse")
