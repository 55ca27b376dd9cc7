"""No secret in any log line or table, no personal data in any log line or audit entry, after everything was done once.

What must not be there is collected from what really went over the wire.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pyotp
import pytest

from app.cli.demo.journey import PASSWORD, Journey
from tests.journey.conftest import Running, stack

NEW_PASSWORD = "glass harbour violin 77"
WRONG_PASSWORD = "nobody ever chose this"
CARD = "4242424242424242"
SECRET_FIELDS = ("token", "csrf_token", "link_token", "signup_token", "secret", "password", "new_password", "url")
SCHEMAS = ("portal", "ingest", "mirror", "read_model", "generations")
KNOWING_TABLES = ("portal.users", "portal.signups", "portal.mails", "portal.commands")
"""Tables of ours whose purpose is to know a customer's name or address."""


class Eavesdropper:
    """Everything secret that passes between customer and portal."""

    def __init__(self) -> None:
        self.secrets: set[str] = {NEW_PASSWORD, WRONG_PASSWORD, CARD}

    async def hear(self, response: httpx.Response) -> None:
        await response.aread()
        for raw in (response.request.content, response.content):
            self._collect(raw)
        for cookie in response.headers.get_list("set-cookie"):
            self.secrets.add(cookie.partition("=")[2].partition(";")[0].strip('"'))

    def _collect(self, raw: bytes) -> None:
        try:
            found = json.loads(raw)
        except ValueError:
            return
        for name, value in found.items() if isinstance(found, dict) else ():
            if name in SECRET_FIELDS and isinstance(value, str):
                self.secrets |= {value, *re.findall(r"access_token=([\w-]+)", value)}
            if name in ("code", "email_code") and "signup_token" in found:
                self.secrets |= {value, value.replace("-", "")}
            if name == "recovery_codes":
                self.secrets |= {*value, *(each.replace("-", "") for each in value)}


@pytest.fixture(scope="module")
def talkative() -> Any:
    """A portal that logs all it can."""
    with stack(LOG_LEVEL="debug") as running:
        yield running


@pytest.fixture
async def lived(talkative: Running) -> tuple[Eavesdropper, dict[str, Any]]:
    """The whole journey, and everything about identity that it leaves out."""
    ear, journey = Eavesdropper(), Journey(talkative.state, lambda step: None)
    journey.visitor.api.event_hooks["response"].append(ear.hear)
    person: dict[str, Any] = {}
    newcomer = journey._newcomer

    async def remembered() -> dict[str, Any]:
        person.update(await newcomer())
        return person

    journey._newcomer = remembered  # type: ignore[method-assign]
    await journey.live()
    async with httpx.AsyncClient(base_url=talkative.state["api_url"], timeout=30, trust_env=False) as api:
        api.event_hooks["response"].append(ear.hear)
        await _identity(api, talkative, person, ear)
    return ear, person


async def _identity(api: httpx.AsyncClient, running: Running, person: dict[str, Any], ear: Eavesdropper) -> None:
    email = person["email"]
    await _post(api, "/api/auth/login", {"email": email, "password": WRONG_PASSWORD}, expect=401)
    await _post(api, "/api/auth/password/forgot", {"email": email}, expect=204)
    token = await _mailed_token(running, email)
    ear.secrets.add(token)
    await _post(api, "/api/auth/password/reset", {"token": token, "new_password": NEW_PASSWORD}, expect=204)
    session = await _post(api, "/api/auth/login", {"email": email, "password": NEW_PASSWORD})
    api.headers["authorization"] = f"Bearer {session['token']}"
    offered = await _post(api, "/api/auth/mfa/enrol", {"password": NEW_PASSWORD})
    on = await _post(api, "/api/auth/mfa/confirm", {"code": pyotp.TOTP(offered["secret"]).now()})
    api.headers["authorization"] = f"Bearer {on['token']}"
    case = {"subject": "A question", "description": "About my line.", "priority": "medium"}
    await api.post("/api/cases", json=case)
    client = next(c for c in running.state["customers"] if c["whmcs_client_id"] and not c.get("portal"))
    proof = {"email": client["email"], "password": client["password"]}
    api.cookies.clear()  # as in another browser: in this one the session would end
    linked = await _post(api, "/api/auth/link", proof)
    body = {"link_token": linked["link_token"], "new_password": NEW_PASSWORD}
    await _post(api, "/api/auth/link/complete", body, expect=201)
    await _post(api, "/api/auth/login", {"email": email, "password": NEW_PASSWORD, "code": "000000"}, expect=401)
    await _billing(api)
    await _post(api, "/api/auth/logout", None, expect=204)


async def _billing(api: httpx.AsyncClient) -> None:
    """Every link into the billing system, by somebody who has bills."""
    answer = await api.get("/api/invoices", params={"status": "paid"})
    assert answer.status_code == 200, answer.text
    paid = answer.json()["items"]
    await _post(api, f"/api/invoices/{paid[0]['invoice_id']}/pdf-link", None)
    await _post(api, "/api/payment-methods/link", None)
    await _post(api, "/api/invoices/payment-link", {"invoice_ids": [paid[0]["invoice_id"]]}, expect=409)


async def _post(api: httpx.AsyncClient, path: str, body: Any, *, expect: int = 200) -> Any:
    response = await api.post(path, json=body)
    assert response.status_code == expect, (path, response.text)
    return response.json() if response.content and expect < 400 else None


async def _mailed_token(running: Running, email: str) -> str:
    async with httpx.AsyncClient(base_url=running.state["control_url"], timeout=10) as control:
        for _ in range(100):
            mails = (await control.get("/mail/", params={"to": email})).json()["mails"]
            if tokens := [token for mail in mails for token in re.findall(r"token=([\w-]+)", mail["text"])]:
                return str(tokens[0])
            await asyncio.sleep(0.1)
    raise AssertionError("no mail came")


def configured(running: Running) -> set[str]:
    """Secrets that the portal was given."""
    state = running.state
    return {
        state["whmcs"]["secret"],
        state["whmcs"]["webhook_secret"],
        state["freebit"]["oem_key"],
        state["whm"]["token"],
        state["salesforce"]["client_secret"],
    }


async def test_nothing_is_written_that_should_not_be(
    talkative: Running, lived: tuple[Eavesdropper, dict[str, Any]]
) -> None:
    ear, person = lived
    secrets = {each for each in ear.secrets | configured(talkative) | {PASSWORD} if len(each) >= 8}
    assert len(secrets) > 25
    personal = [person["email"], person["phone"], person["last_name"] + " ", person["address"]["address1"]]
    logs = _logs(talkative.home)
    assert '"http_request"' in "".join(logs.values())
    found = [f"{name}: {_around(text, each)}" for name, text in logs.items() for each in secrets if each in text]
    found += [f"{name}: {_around(text, each)}" for name, text in logs.items() for each in personal if each in text]
    tables = await _tables(talkative.state["database_url"])
    assert person["email"] in tables["portal.users"]
    for table, text in tables.items():
        found += [f"{table}: {_around(text, each)}" for each in secrets if each in text or each.encode().hex() in text]
        if table.startswith("portal.") and table not in KNOWING_TABLES:
            found += [f"{table}: {_around(text, each)}" for each in personal if each in text]
    assert not found, "\n".join(found[:20])


def _logs(home: Path) -> dict[str, str]:
    """Every log line of every process but the stand-ins'."""
    files = [home / "up.log", *(home / "logs").glob("*.log")]
    return {file.name: file.read_text(errors="replace") for file in files if file.name != "sandbox.log"}


async def _tables(url: str) -> dict[str, str]:
    """Every row of every table, as text; bytes as hex."""
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname = ANY($1::text[])",
            list(SCHEMAS),
        )
        found = {}
        for row in names:
            rows = await connection.fetch(f"SELECT t::text AS text FROM {row['name']} t")
            found[row["name"]] = "\n".join(each["text"] for each in rows)
        return found
    finally:
        await connection.close()


def _around(text: str, needle: str) -> str:
    at = max(text.find(needle), text.find(needle.encode().hex()))
    return text[max(at - 80, 0) : at + len(needle) + 20].replace("\n", " ")
