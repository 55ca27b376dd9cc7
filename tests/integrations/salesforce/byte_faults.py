"""Ways in which the bytes of a good answer arrive spoiled: name → (request, status, content) → all bytes of the answer.

`LENIENT` are those that a reader must tolerate; nothing in the others can be trusted.
"""

import gzip
import json
from collections.abc import Callable

from tests.integrations.salesforce.rude import framed

Fault = Callable[[int, bytes], bytes]

HTML = b"<!DOCTYPE html><html><body>Be right back</body></html>"


def _in_text(odd: bytes) -> Fault:
    return lambda status, content: framed(content.replace(b"No signal", b"No " + odd + b" signal"), status)


LENIENT: dict[str, Fault] = {
    "as-it-should-be": lambda status, content: framed(content, status),
    "bom": lambda status, content: framed(b"\xef\xbb\xbf" + content, status),
    "blanks-around": lambda status, content: framed(b"\r\n\t " + content + b"\n\n", status),
    "lone-surrogate": _in_text(b"\\ud83d"),
    "escaped-nul": _in_text(b"\\u0000"),
    "raw-nul": _in_text(b"\x00"),
    "latin-1": _in_text(b"\xe9\xff"),
    "shift-jis": _in_text("日本".encode("shift_jis")),
    "raw-control-characters": _in_text(b"\x07\x1b"),
    "no-content-type": lambda status, content: framed(content, status).replace(
        b"Content-Type: application/json\r\n", b""
    ),
    "wrong-charset": lambda status, content: framed(content, status).replace(
        b"application/json", b"application/json; charset=utf-32"
    ),
    "gzip": lambda status, content: framed(gzip.compress(content), status, Content_Encoding="gzip"),
}

SPOILED: dict[str, Fault] = {
    "html-with-200": lambda status, content: framed(HTML, 200),
    "nothing-with-200": lambda status, content: framed(b"", 200),
    "blanks-with-200": lambda status, content: framed(b"  \n", 200),
    "truncated-json": lambda status, content: framed(content[: len(content) // 2], status),
    "truncated-body": lambda status, content: framed(content, status)[:-20],
    "truncated-head": lambda status, content: framed(content, status)[:25],
    "no-answer": lambda status, content: b"",
    "no-http": lambda status, content: b"\x00\x01\x02 hello\r\n\r\n",
    "status-that-is-no-number": lambda status, content: b"HTTP/1.1 abc OK\r\n\r\n",
    "length-that-is-no-number": lambda status, content: b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + HTML,
    "chunks-that-are-none": lambda status, content: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + HTML
    ),
    "gzip-that-is-none": lambda status, content: framed(content, status, Content_Encoding="gzip"),
    "too-many-headers": lambda status, content: framed(content, status, **{f"X_{n}": "x" for n in range(300)}),
    "too-long-a-header": lambda status, content: framed(content, status, X_Long="x" * 70_000),
    "302": lambda status, content: framed(b"", 302, Location="https://127.0.0.1:9/elsewhere"),
    "301-to-itself": lambda status, content: framed(b"", 301, Location="/services/data"),
    "300-without-a-list": lambda status, content: framed(HTML, 300),
    "304": lambda status, content: framed(b"", 304),
    "html-404": lambda status, content: framed(HTML, 404),
    "empty-404": lambda status, content: framed(b"", 404),
    "json-404-of-a-proxy": lambda status, content: framed(b'{"error": "not found"}', 404),
    "html-403": lambda status, content: framed(HTML, 403),
    "html-413": lambda status, content: framed(HTML, 413),
    "html-500": lambda status, content: framed(HTML, 500),
    "html-502": lambda status, content: framed(HTML, 502),
    "status-999": lambda status, content: framed(HTML, 999),
    "errors-that-are-none": lambda status, content: framed(b'[null, 5, {"errorCode": 7}, {}]', 400),
    "error-code-that-is-a-list": lambda status, content: framed(b'[{"errorCode": ["NOT_FOUND"]}]', 404),
    "null": lambda status, content: framed(b"null", status),
    "number": lambda status, content: framed(b"5", status),
    "text": lambda status, content: framed(b'"ok"', status),
    "true": lambda status, content: framed(b"true", status),
    "empty-list": lambda status, content: framed(b"[]", status),
    "list-of-nulls": lambda status, content: framed(b"[null]", status),
    "empty-object": lambda status, content: framed(b"{}", status),
    "all-members-null": lambda status, content: framed(json.dumps(dict.fromkeys(json.loads(content))).encode(), status),
    "deep": lambda status, content: framed(b"[" * 100_000 + b"]" * 100_000, status),
    "deep-objects": lambda status, content: framed(b'{"records":' * 50_000 + b"5" + b"}" * 50_000, status),
    "endless-number": lambda status, content: framed(b'{"totalSize":' + b"9" * 10_000 + b"}", status),
    "nan": lambda status, content: framed(b'{"totalSize": NaN, "id": NaN, "records": NaN, "done": NaN}', status),
    "records-that-are-none": lambda status, content: framed(
        b'{"totalSize": "x", "done": true, "records": [5, null]}', status
    ),
    "records-in-an-object": lambda status, content: framed(b'{"done": true, "records": {"a": 1}}', status),
    "rows-without-anything": lambda status, content: framed(
        b'{"totalSize": 2, "done": true, "records": [{}, {}]}', status
    ),
    "rows-of-odd-values": lambda status, content: framed(
        json.dumps({"totalSize": [], "done": True, "records": [_odd_row()]}).encode(), status
    ),
    "page-without-a-next": lambda status, content: framed(b'{"done": false, "records": []}', status),
    "next-page-elsewhere": lambda status, content: framed(
        b'{"done": false, "records": [], "nextRecordsUrl": "@127.0.0.1:9/x"}', status
    ),
    "pages-in-a-circle": lambda status, content: framed(
        b'{"done": false, "records": [], "nextRecordsUrl": "/services/data/v66.0/query/01g"}', status
    ),
    "id-that-is-none": lambda status, content: framed(b'{"id": {"x": 1}, "success": true}', status),
    "composite-without-parts": lambda status, content: framed(b'{"compositeResponse": []}', status),
    "composite-of-nulls": lambda status, content: framed(b'{"compositeResponse": [null, 5, {}]}', status),
    "composite-refused-in-odd-words": lambda status, content: framed(
        content.replace(b'"httpStatusCode": 201', b'"httpStatusCode": 400'), status
    ),
}


def _odd_row() -> dict[str, object]:
    names = ("Id", "Quantity", "UnitPrice", "Product2", "CreatedDate", "SystemModstamp", "CaseComments", "IsDeleted")
    values = ([], "x", {"a": 1}, 5, -1, True, {"records": 5}, "yes")
    more = {"ContentDocumentLinks": {"records": [None, {"ContentDocument": 5, "Visibility": 7}]}, "MasterRecordId": 5}
    return dict(zip(names, values, strict=True)) | more | {"Account": {"attributes": {}, "Name": {"attributes": 5}}}
