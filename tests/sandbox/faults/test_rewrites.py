"""Answers as a broken install, proxy or import writes them, from each upstream."""

import json
import time
from typing import Any

import httpx
import pytest

from sandbox.faults import rewrites
from tests.sandbox.conftest import SandboxProcess, Whmcs, browser, script

PLACES = {"salesforce": "/services/data/", "freebit": "/emptool/api/authOem/", "whm": "/json-api/version"}


def asked(sandbox_process: SandboxProcess, upstream: str, **options: Any) -> httpx.Response:
    with browser(sandbox_process, upstream, **options) as http:
        return http.request("GET" if upstream == "salesforce" else "POST", PLACES[upstream])


def spoilt(whmcs: Whmcs, control: httpx.Client, how: str, action: str = "GetClientsDetails", **more: Any) -> bytes:
    script(control, "whmcs", "rewrite", operation=action, how=how, **more)
    return whmcs.ask(action, **({"clientid": 1001} if action == "GetClientsDetails" else {"userid": 1001})).content


@pytest.mark.parametrize("upstream", PLACES)
def test_a_rewrite_changes_the_bytes_of_every_upstreams_answer(
    sandbox_process: SandboxProcess, control: httpx.Client, upstream: str
) -> None:
    plain = asked(sandbox_process, upstream)
    script(control, upstream, "rewrite", how="bom")
    marked = asked(sandbox_process, upstream)
    assert marked.content.startswith(b"\xef\xbb\xbf")
    assert json.loads(marked.content[3:]).__class__ is plain.json().__class__
    assert marked.status_code == plain.status_code
    assert marked.headers["content-type"] == plain.headers["content-type"]


@pytest.mark.parametrize("how", rewrites.HOWS)
@pytest.mark.parametrize("upstream", PLACES)
def test_every_rewrite_can_be_had_from_every_upstream(
    sandbox_process: SandboxProcess, control: httpx.Client, upstream: str, how: str
) -> None:
    script(control, upstream, "rewrite", how=how)
    answer = asked(sandbox_process, upstream)
    assert answer.status_code < 500
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize(
    ("how", "inside"), [("latin1", b"\xe9"), ("nul", b"\\u0000"), ("raw_nul", b"\x00"), ("surrogate", b"\\ud83d")]
)
def test_a_value_is_spoilt_and_the_rest_of_the_answer_is_not(
    whmcs: Whmcs, control: httpx.Client, how: str, inside: bytes
) -> None:
    body = spoilt(whmcs, control, how, field="firstname")
    told = json.loads(body.replace(inside, b""))
    assert inside in body
    assert told == whmcs.call("GetClientsDetails", clientid=1001)


def test_texts_that_people_write_are_spoilt_unless_others_are_named(whmcs: Whmcs, control: httpx.Client) -> None:
    told = json.loads(spoilt(whmcs, control, "nul"))
    assert "\x00" in told["client"]["address1"]
    assert told["result"] == "success"


def test_shift_jis_is_what_a_japanese_proxy_makes_of_it(whmcs: Whmcs, control: httpx.Client) -> None:
    body = spoilt(whmcs, control, "shift_jis", field="city")
    assert "日本語".encode("shift_jis") in body
    assert b"\\u" not in body


def test_money_is_grouped_and_dates_are_none(whmcs: Whmcs, control: httpx.Client) -> None:
    before = whmcs.call("GetInvoices", userid=1001)["invoices"]["invoice"]
    grouped = json.loads(spoilt(whmcs, control, "grouped", "GetInvoices"))["invoices"]["invoice"]
    assert any("," in each["total"] for each in grouped)
    assert [each["total"].replace(",", "") for each in grouped] == [each["total"] for each in before]
    dates = json.loads(spoilt(whmcs, control, "zero_dates", "GetInvoices", field="duedate"))["invoices"]["invoice"]
    assert {each["duedate"] for each in dates} <= set(rewrites.ZERO_DATES)
    assert [each["date"] for each in dates] == [each["date"] for each in before]


def test_html_comes_with_status_200_and_its_own_type(whmcs: Whmcs, control: httpx.Client) -> None:
    script(control, "whmcs", "rewrite", how="html")
    answer = whmcs.ask("WhmcsDetails")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize("replace", [r"\x00\xff", "base64:AP8="])
def test_any_bytes_can_be_replaced_by_any_others(whmcs: Whmcs, control: httpx.Client, replace: str) -> None:
    script(control, "whmcs", "rewrite", find='"result":"success"', replace=replace)
    assert whmcs.ask("WhmcsDetails").content.startswith(b"{\x00\xff,")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "rewrite"}, "needs how"),
        ({"kind": "rewrite", "how": "sideways"}, "how must be one of"),
        ({"kind": "rewrite", "find": "base64:***"}, "find and replace are"),
        ({"kind": "moving", "how": "sideways"}, "how must be one of delete"),
        ({"kind": "drip", "rate": 0}, "rate must be more"),
        ({"kind": "headers", "headers": {"x": 1}}, "headers must be"),
    ],
)
def test_a_rewrite_that_cannot_be_made_is_refused(control: httpx.Client, fault: dict[str, Any], words: str) -> None:
    response = control.post("/faults", json={"upstream": "whmcs", **fault})
    assert response.status_code == 422
    assert words in response.json()["error"]


@pytest.mark.parametrize("upstream", PLACES)
def test_retry_after_comes_with_a_status_and_with_being_down(
    sandbox_process: SandboxProcess, control: httpx.Client, upstream: str
) -> None:
    script(control, upstream, "status", status=429, retry_after=20)
    script(control, upstream, "down", count=1, retry_after="Wed, 21 Oct 2026 07:28:00 GMT", skip=1)
    first, second = asked(sandbox_process, upstream), asked(sandbox_process, upstream)
    assert (first.status_code, first.headers["retry-after"]) == (429, "20")
    assert (second.status_code, second.headers["retry-after"]) == (503, "Wed, 21 Oct 2026 07:28:00 GMT")


@pytest.mark.parametrize("upstream", PLACES)
def test_a_proxy_answers_404_in_html_and_another_leads_elsewhere(
    sandbox_process: SandboxProcess, control: httpx.Client, upstream: str
) -> None:
    script(control, upstream, "status", status=404, page=True)
    lost = asked(sandbox_process, upstream)
    assert (lost.status_code, lost.headers["content-type"]) == (404, "text/html; charset=utf-8")
    script(control, upstream, "redirect", location="https://elsewhere.example/login")
    led = asked(sandbox_process, upstream)
    assert (led.status_code, led.headers["location"]) == (302, "https://elsewhere.example/login")


def test_headers_can_say_what_is_not_so(whmcs: Whmcs, control: httpx.Client) -> None:
    script(control, "whmcs", "headers", headers={"content-type": "text/plain;charset=Shift_JIS"})
    assert whmcs.ask("WhmcsDetails").headers["content-type"] == "text/plain;charset=Shift_JIS"


@pytest.mark.parametrize("upstream", PLACES)
def test_a_dripping_answer_comes_byte_by_byte(
    sandbox_process: SandboxProcess, control: httpx.Client, upstream: str
) -> None:
    script(control, upstream, "drip", rate=2)
    began = time.monotonic()
    with browser(sandbox_process, upstream) as http:
        method = "GET" if upstream == "salesforce" else "POST"
        with http.stream(method, PLACES[upstream]) as response:
            drops = response.iter_raw()
            assert [len(next(drops)) for _ in range(3)] == [1, 1, 1]
    assert time.monotonic() - began >= 1.0


@pytest.mark.parametrize("kind", ["timeout", "reset", "garbage", "empty"])
def test_salesforce_fails_in_all_the_ways_in_which_the_others_do(
    sandbox_process: SandboxProcess, control: httpx.Client, kind: str
) -> None:
    script(control, "salesforce", kind)
    if kind in ("timeout", "reset"):
        with pytest.raises((httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError)):
            asked(sandbox_process, "salesforce")
    else:
        assert asked(sandbox_process, "salesforce").content[:6] in (b"", b"<br />")
    assert asked(sandbox_process, "salesforce").status_code == 200


def test_the_token_endpoint_refuses_in_its_own_shape(sandbox_process: SandboxProcess, control: httpx.Client) -> None:
    script(control, "salesforce", "status", operation="token", status=401)
    with browser(sandbox_process, "salesforce") as http:
        refused = http.post("/services/oauth2/token", data={"grant_type": "client_credentials"})
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
