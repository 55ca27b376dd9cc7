"""Every text of every body has a rule for how it is spelled, or is named here as something that nobody spells."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from app.inputs.kinds import is_struct, item_of, kind_of

SECRETS = {"password", "current_password", "new_password", "token", "link_token", "signup_token"}
"""Compared as a whole, a password in its NFKC form."""
IDS = {"sku", "gateway", "up_to", "invoice_ids", "billing_account_id"}
"""Copied from an answer of ours, compared or looked up as a whole, and refused when they are nobody's."""
ADDRESSES = {"return_url"}
"""Compared with the settings character by character, and never changed: what was checked is what is used."""
HARMFUL = ("a\r\nb", "\x1b[2J", "a\u202eb", "a\u2028b", "\x85")


def texts(annotation: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each text of a type: where it is, and its rule."""
    kind = kind_of(annotation)
    if kind.rule or kind.only is None:
        if kind.rule:
            yield path, kind.rule
    elif (item := item_of(kind.only)) is not None:
        yield from texts(item, path)
    elif is_struct(kind.only):
        for field in msgspec.structs.fields(kind.only):
            yield from texts(field.type, (*path, field.encode_name))
    elif kind.only is not annotation:
        yield from texts(kind.only, path)
    elif kind.only is str:
        yield path, None


@pytest.fixture
def bodies(running: tuple[Litestar, httpx.AsyncClient]) -> dict[str, Any]:
    app, _ = running
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    found = [(route.path, handler.parsed_data_field) for route in routes for handler in route.route_handlers]
    return {path: field.annotation for path, field in found if field}


async def test_every_text_of_every_body_has_a_rule(bodies: dict[str, Any]) -> None:
    assert len(bodies) > 20
    without = {
        f"{path} {'.'.join(at)}"
        for path, kind in bodies.items()
        for at, rule in texts(kind)
        if rule is None and at[-1] not in SECRETS | IDS | ADDRESSES
    }
    assert without == set()


async def test_no_rule_lets_a_line_break_through_but_those_of_several_lines(bodies: dict[str, Any]) -> None:
    for path, kind in bodies.items():
        for at, rule in texts(kind):
            if rule is None or at[-1] in ("description", "body") or path.endswith("/cancel"):
                continue
            for harmful in HARMFUL:
                try:
                    found = rule.read(f"x{harmful}y")
                except ValueError:
                    continue
                assert not set(found) & set("\r\n\x1b\u202e\u2028\x85"), f"{path} {at} {found!r}"


async def test_no_pattern_of_a_body_ends_before_a_line_break(api: httpx.AsyncClient) -> None:
    """`$` also matches before a last line break: the end of a text is required by a rule instead."""
    document = (await api.get("/schema/openapi.json")).json()

    def patterns(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (each for name, each in value.items() if name == "pattern" and isinstance(each, str))
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from patterns(each)

    assert [each for each in patterns(document["components"]) if each.endswith("$")] == []


SIGN_UP = {
    "email": "hana@example.jp",
    "password": "hanakohanako",
    "first_name": "Hanako",
    "last_name": "Sato",
    "phone": "03-1234-5678",
    "customer_number": "C-000001",
    "address": {"address1": "1-2-3", "city": "Shibuya", "state": "Nowhere", "postcode": "12", "country": "JP"},
}


async def test_violations_of_the_sign_up_rules_are_reported_together_too(api: httpx.AsyncClient) -> None:
    response = await api.post("/api/auth/signup", json=SIGN_UP)
    assert response.status_code == 400, response.text
    problem = response.json()
    assert {each["pointer"]: each["code"] for each in problem["errors"]} == {
        "/password": "weak_password",
        "/address/state": "prefecture_unknown",
        "/address/postcode": "postcode_invalid",
    }
    assert problem["password_feedback"]["warning"]["code"] in ("own_words", "repetition")
    alone = await api.post("/api/auth/signup", json={**SIGN_UP, "password": "paper crane lantern 24"})
    assert (alone.status_code, alone.json()["code"]) == (422, "address_invalid")


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/api/orders/check", {"items": []}, "too_few_items"),
        ("/api/orders/check", {"items": [{"sku": "A"}] * 21}, "too_many_items"),
        ("/api/orders/check", {"items": [{"sku": "A", "quantity": 0}]}, "number_too_small"),
        ("/api/orders/check", {"items": [{"sku": "A", "quantity": 2}]}, "number_too_large"),
        ("/api/orders/check", {"items": [{"sku": "A"}], "configuration": {"sim_type": "nano"}}, "not_a_choice"),
        (
            "/api/orders/check",
            {"items": [{"sku": "A"}], "configuration": {"mnp": {"expires_on": "soon"}}},
            "date_invalid",
        ),
        ("/api/auth/mfa/confirm", {"code": "12"}, "field_too_short"),
        ("/api/cases", {"subject": "a\r\nb", "description": "x"}, "control_character"),
        ("/api/cases", {"subject": "a", "description": ["x"]}, "wrong_type"),
        ("/api/auth/password/forgot", {"email": "a,b@x.example"}, "email_invalid"),
        ("/api/auth/login", {"email": "%0aBcc:x@y.zz", "password": "x"}, "email_invalid"),
        ("/api/auth/link", {"email": "foo:victim@example.com", "password": "x"}, "email_invalid"),
        ("/api/auth/signup", {**SIGN_UP, "phone": "٠٣-١٢٣٤-٥٦٧٨"}, "phone_invalid"),
        ("/api/auth/customer-number/check", {"customer_number": "C-٠٠٠٠٠١"}, "invalid_value"),
    ],
)
async def test_a_fault_has_the_same_code_on_every_route(
    api: httpx.AsyncClient, add_customer: Any, log_in: Any, path: str, body: dict[str, Any], code: str
) -> None:
    await add_customer("hana")
    headers = {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}
    response = await api.post(path, json=body, headers=headers)
    assert response.status_code == 400, response.text
    (fault,) = response.json()["errors"]
    assert fault["code"] == code
    assert fault["pointer"] == "/" + fault["field"].replace(".", "/")


async def test_parameters_are_refused_in_our_words_without_a_pointer(
    api: httpx.AsyncClient, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    headers = {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}
    response = await api.get("/api/invoices?limit=0&page=x", headers=headers)
    assert response.status_code == 400, response.text
    for fault in response.json()["errors"]:
        assert "pointer" not in fault
        assert "`" not in fault["message"] or fault["code"] == "unknown_parameter"
    response = await api.get("/api/invoices?limit=0", headers=headers)
    (fault,) = response.json()["errors"]
    expected = {"field": "limit", "code": "invalid_parameter", "message": "At least 1.", "params": {"least": 1}}
    assert fault.items() >= expected.items()
