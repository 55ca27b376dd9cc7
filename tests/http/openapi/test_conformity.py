"""The comparison of answers with the document finds each kind of difference, and none in a right answer."""

import json
from typing import Any

import httpx
import pytest

from tests.fixtures.conformity import compared, operation_of

ALWAYS = {"X-Request-Id": "r-1", "RateLimit": "1", "RateLimit-Policy": "1", "Cache-Control": "private, no-cache"}
LINKED = {"url": "https://billing.example/pay", "expires_in_seconds": 60}
PATH = "/api/invoices/7/payment-link"


def problem(code: str) -> dict[str, Any]:
    return {"type": f"/docs/errors#{code}", "title": "", "status": 409, "detail": "", "code": code, "request_id": "r-1"}


def found(status: int, body: Any, kind: str = "application/json", **headers: str) -> list[str]:
    """What the comparison says of an answer to POST /api/invoices/{invoice_id}/payment-link."""
    operation = operation_of("POST", PATH)
    assert operation is not None
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx.Response(
        status,
        content=json.dumps(body),
        headers={**ALWAYS, "Content-Type": kind, **named},
        request=httpx.Request("POST", f"http://portal{PATH}"),
    )
    return list(compared(operation, response))


def test_a_right_answer_is_no_difference() -> None:
    assert found(200, LINKED) == []
    assert found(409, problem("invoice_paid"), "application/problem+json") == []


@pytest.mark.parametrize(
    ("answer", "difference"),
    [
        (found(418, LINKED), "the status is not documented"),
        (found(200, LINKED, X_Secret="1"), "the header x-secret is not documented"),
        (found(200, LINKED, "text/html"), "the body is text/html, not application/json"),
        (found(200, {"expires_in_seconds": 60}), "the body lacks url"),
        (found(200, {**LINKED, "url": 7}), "url is int, not string"),
        (found(200, {**LINKED, "more": 1}), "the body has more, which is not documented"),
        (found(409, problem("card_expired"), "application/problem+json"), "the code card_expired is not documented"),
    ],
)
def test_each_kind_of_difference_is_found(answer: list[str], difference: str) -> None:
    assert answer == [difference]


def test_a_path_of_the_document_is_recognised() -> None:
    listed, one = operation_of("GET", "/api/invoices"), operation_of("HEAD", "/api/invoices/7")
    assert listed is not None
    assert one is not None
    assert (listed["operationId"], one["operationId"]) == ("listInvoices", "getInvoice")
    assert operation_of("GET", "/elsewhere") is None
