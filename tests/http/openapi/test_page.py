"""The OpenAPI document: kept, complete, and browsable without anything from outside."""

import json
import re
from pathlib import Path
from typing import Any

from app.cli.document import openapi_document
from app.http.openapi.page import page

KEPT = Path(__file__).parents[3] / "docs" / "openapi.json"
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


def test_the_kept_document_is_the_served_one() -> None:
    assert KEPT.read_text().strip() == openapi_document(), "run `make openapi`"


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


def test_the_page_shows_every_route_and_loads_nothing_from_outside() -> None:
    shown = page(document())
    for path in PROMISED:
        assert path in shown
    assert re.findall(r"(?:src|href)=['\"]?(?!/schema)[a-z]+://", shown) == []
    assert "<script" not in shown
