"""The document that is kept, and the pages that show it: complete, and without anything from outside."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli.document import openapi_document
from app.http.openapi import documented_errors
from app.http.openapi.audiences import AUDIENCES, FILES, Audience
from app.http.reference import errors
from app.http.reference.page import page
from tests.fixtures.raised import documented

KEPT = Path(__file__).parents[3] / "docs"
PROMISED = {
    "/api/public/services": {"get"},
    "/api/public/services/{category}": {"get"},
    "/api/public/services/{category}/{sku}": {"get"},
    "/api/auth/customer-number/check": {"post"},
    "/api/auth/signup": {"post"},
    "/api/auth/signup/complete": {"post"},
    "/api/auth/link": {"post"},
    "/api/auth/link/code": {"post"},
    "/api/auth/link/choice": {"post"},
    "/api/auth/link/complete": {"post"},
    "/api/auth/login": {"post"},
    "/api/auth/logout": {"post"},
    "/api/auth/me": {"get"},
    "/api/account/services": {"get"},
    "/api/account/services/{category}": {"get"},
    "/api/account/eligibility": {"get"},
    "/api/account/profile": {"get"},
    "/api/account/address": {"get"},
    "/api/orders": {"get", "post"},
    "/api/orders/check": {"post"},
    "/api/orders/{order_id}": {"get"},
    "/api/invoices": {"get"},
    "/api/invoices/{invoice_id}": {"get"},
    "/api/invoices/{invoice_id}/payment-link": {"post"},
    "/api/payment-methods": {"get"},
    "/api/payment-methods/link": {"post"},
    "/api/payment-gateways": {"get"},
    "/api/subscriptions": {"get"},
    "/api/subscriptions/{subscription_id}": {"get"},
    "/api/subscriptions/{subscription_id}/invoices": {"get"},
    "/webhooks/whmcs": {"post"},
}


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(openapi_document())
    return loaded


@pytest.mark.parametrize("audience", AUDIENCES)
def test_the_kept_document_is_the_served_one(audience: Audience) -> None:
    assert (KEPT / FILES[audience]).read_text().strip() == openapi_document(audience), "run `make openapi`"


def test_every_promised_route_is_there() -> None:
    paths = document()["paths"]
    for path, methods in PROMISED.items():
        assert methods <= set(paths[path]), path


def test_every_operation_is_named_and_described() -> None:
    silent = [
        f"{method} {path}"
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
        and not (operation.get("summary") and operation.get("description"))
    ]
    assert silent == []


class Shape(HTMLParser):
    """Anchors, links and opened elements of a page."""

    VOID = frozenset({"meta", "input", "li", "td", "th", "html", "tr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [str(found["id"])] if "id" in found else []
        self.links += [str(found["href"])] if "href" in found else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def shapes() -> dict[str, Shape]:
    return {"/schema": Shape(page(document()).decode()), "/docs/errors": Shape(errors.page().decode())}


def test_the_page_shows_every_route_and_loads_nothing_from_outside() -> None:
    shown = page(document()).decode()
    for path in PROMISED:
        assert path in shown
    assert re.findall(r"(?:src|href)=['\"]?[a-z]+://", shown) == []
    assert shown.count("<script") == 1


def test_every_link_of_the_pages_leads_to_an_anchor_that_is_there() -> None:
    found = shapes()
    for path, shape in found.items():
        assert shape.open == [], "every element is closed"
        assert len(set(shape.ids)) == len(shape.ids)
        for link in shape.links:
            target, _, anchor = link.partition("#")
            shown = found.get(target or path)
            assert not anchor or (shown is not None and anchor in shown.ids), (path, link)


def test_an_operation_shows_its_name_body_answers_headers_errors_and_samples() -> None:
    shown = page(document()).decode()
    start = shown.index("<details id='placeOrder'>")
    entry = (
        shown[start : shown.index("<details id='checkOrder'>")] if shown.find("checkOrder'>") > start else shown[start:]
    )
    for part in (
        "items.sku",
        "<span class=required>yes</span>",
        "Answer 201",
        "<code>Consistency-Token</code>",
        "<a href='/docs/errors#status-422'>",
        "<a href='/docs/errors#order_in_progress'>",
        "From a sample customer's journey.",
        "Present when the first answer to this key",
        "curl -X POST",
        "Idempotency-Key",
        "await fetch(",
    ):
        assert part in entry, part


async def test_what_a_problem_names_as_its_type_is_answered_with_its_row(api: httpx.AsyncClient) -> None:
    kind = (await api.get("/api/orders")).json()["type"]
    path, _, code = kind.partition("#")
    answer = await api.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"<tr id='{code}'>" in answer.text
    assert {each.code for each in documented_errors.documented()} == set(documented())


async def test_the_root_leads_to_the_documents(api: httpx.AsyncClient) -> None:
    start = await api.get("/")
    for link in Shape(start.text).links:
        assert (await api.get(link)).status_code in (200, 503), link
