"""The process itself: its control surface, scripted faults, reset, and its life after a kill."""

import json
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.sandbox.conftest import Receiver, SandboxProcess, Whmcs, browser, group_exists, script, wait_for

ORDER = {"clientid": 1001, "paymentmethod": "mailin", "pid": [306], "billingcycle": ["monthly"], "noinvoice": 1}


def orders(control: httpx.Client) -> int:
    return int(control.get("/whmcs/orders").json()["total"])


def test_the_state_file_names_everything_and_only_its_owner_reads_it(sandbox_process: SandboxProcess) -> None:
    file = sandbox_process.home / "state.json"
    assert file.stat().st_mode & 0o077 == 0
    state = json.loads(file.read_text())
    assert set(state) == {"control_url", "ca_file", "salesforce", "whmcs", "freebit", "whm", "smtp", "customers"}
    for upstream in ("salesforce", "whmcs", "freebit", "whm"):
        assert state[upstream]["url"].startswith("https://localhost:")
    assert Path(state["salesforce"]["private_key_file"]).stat().st_mode & 0o077 == 0
    assert len(state["customers"]) == 300
    assert sum(each["whmcs_client_id"] is None for each in state["customers"][-60:]) == 60
    assert all(each["whmcs_client_id"] for each in state["customers"][:40])


def test_the_seed_agrees_between_the_upstreams(sandbox_process: SandboxProcess, control: httpx.Client) -> None:
    for person in sandbox_process.state["customers"][:5]:
        account = control.get(f"/salesforce/Account/{person['salesforce_account_id']}").json()
        client = control.get(f"/whmcs/clients/{person['whmcs_client_id']}").json()
        assert account["SF_Account_No__c"] == client["customfields"]["198"] == person["customer_number"]
        assert client["email"] == person["email"]
    sims = {each["domain"] for each in control.get("/whmcs/services").json()["records"] if each["domain"][:3] == "080"}
    assert sims == {each["account"] for each in control.get("/freebit/lines").json()["records"]}
    sites = {each["username"] for each in control.get("/whmcs/services").json()["records"] if each["username"]}
    assert sites == {each["user"] for each in control.get("/whm/accounts").json()["records"]}


def test_calls_say_who_asked_what(whmcs: Whmcs, control: httpx.Client) -> None:
    control.delete("/calls")
    whmcs.http.headers["user-agent"] = "test/1"
    whmcs.call("getclients")
    whmcs.call("GetClients")
    listed = control.get("/calls", params={"upstream": "whmcs"}).json()
    assert listed["total"] == 2
    assert [(each["operation"], each["user_agent"]) for each in listed["calls"]] == [("GetClients", "test/1")] * 2
    assert control.get("/calls", params={"upstream": "whm"}).json() == {"total": 0, "calls": []}
    assert control.delete("/calls").json()["total"] == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"upstream": "whmcs", "kind": "meteor"}, "kind must be one of"),
        ({"upstream": "moon", "kind": "down"}, "upstream must be one of"),
        ({"upstream": "whm", "kind": "drop_webhook"}, "kind must be one of"),
        ({"upstream": "whm", "kind": "down", "count": 0}, "count must be a whole number"),
        ({"upstream": "whm", "kind": "latency", "seconds": "long"}, "seconds must be a number"),
        ({"upstream": "whm", "kind": "down", "colour": "red"}, "has no colour"),
        ([], "A fault is a JSON object"),
    ],
)
def test_a_fault_that_does_not_exist_is_refused_in_a_sentence(control: httpx.Client, body: object, words: str) -> None:
    response = control.post("/faults", json=body)
    assert response.status_code == 422
    assert words in response.json()["error"]
    assert control.get("/faults").json() == {"faults": []}


def test_a_body_that_is_no_json_is_a_bad_request(control: httpx.Client) -> None:
    assert control.post("/faults", content=b"{").status_code == 400


def test_down_refuses_every_call_until_it_is_cleared_and_does_nothing(whmcs: Whmcs, control: httpx.Client) -> None:
    script(control, "whmcs", "down")
    for _ in range(3):
        assert whmcs.ask("AddOrder", **ORDER).status_code == 503
    before = orders(control)
    control.delete("/faults")
    whmcs.call("AddOrder", **ORDER)
    assert orders(control) == before + 1


def test_a_fault_meets_as_many_calls_of_its_operation_as_it_says(whmcs: Whmcs, control: httpx.Client) -> None:
    script(control, "whmcs", "status", operation="getclients", status=502, count=2)
    assert whmcs.ask("WhmcsDetails").status_code == 200
    assert [whmcs.ask("GetClients").status_code for _ in range(3)] == [502, 502, 200]


def test_a_timeout_after_the_write_leaves_its_effect(whmcs: Whmcs, control: httpx.Client) -> None:
    before = orders(control)
    script(control, "whmcs", "timeout_after_write", operation="AddOrder")
    whmcs.http.timeout = httpx.Timeout(0.5)
    with pytest.raises(httpx.ReadTimeout):
        whmcs.ask("AddOrder", **{**ORDER, "notes": "sfOrderId=lost"})
    assert orders(control) == before + 1
    assert whmcs.call("GetOrders", userid=1001)["orders"]["order"][0]["notes"] == "sfOrderId=lost"


def test_a_timeout_before_the_write_leaves_none(whmcs: Whmcs, control: httpx.Client) -> None:
    before = orders(control)
    script(control, "whmcs", "timeout", operation="AddOrder")
    whmcs.http.timeout = httpx.Timeout(0.5)
    with pytest.raises(httpx.ReadTimeout):
        whmcs.ask("AddOrder", **ORDER)
    assert orders(control) == before


def test_a_reset_connection_ends_without_an_answer(whmcs: Whmcs, control: httpx.Client) -> None:
    script(control, "whmcs", "reset")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        whmcs.ask("WhmcsDetails")
    assert whmcs.call("WhmcsDetails")


def test_latency_delays_and_garbage_and_emptiness_spoil_the_answer(whmcs: Whmcs, control: httpx.Client) -> None:
    script(control, "whmcs", "latency", seconds=0.3)
    began = time.monotonic()
    whmcs.call("WhmcsDetails")
    assert time.monotonic() - began >= 0.3
    script(control, "whmcs", "garbage")
    spoilt = whmcs.ask("WhmcsDetails")
    assert spoilt.status_code == 200
    assert spoilt.text.startswith("<br />")
    script(control, "whmcs", "empty")
    assert whmcs.ask("WhmcsDetails").content == b""


def test_a_fault_may_let_some_calls_pass_first(whmcs: Whmcs, control: httpx.Client) -> None:
    script(control, "whmcs", "status", operation="WhmcsDetails", status=502, skip=2)
    statuses = [whmcs.ask("WhmcsDetails").status_code for _ in range(4)]
    assert statuses == [200, 200, 502, 200]


def test_faults_reach_every_upstream(sandbox_process: SandboxProcess, control: httpx.Client) -> None:
    asked = {
        "salesforce": "/services/data/",
        "freebit": "/emptool/api/authOem/",
        "whm": "/json-api/version",
    }
    for upstream, path in asked.items():
        script(control, upstream, "down", count=1)
        with browser(sandbox_process, upstream) as http:
            method = "GET" if upstream == "salesforce" else "POST"
            assert http.request(method, path).status_code == 503


def test_reset_brings_the_seed_back_and_clears_faults_clock_and_calls(whmcs: Whmcs, control: httpx.Client) -> None:
    before = orders(control)
    whmcs.call("AddOrder", **ORDER)
    whmcs.call("UpdateClient", clientid=1001, city="Elsewhere")
    order = control.get("/salesforce/orders").json()["records"][0]["Id"]
    control.patch(f"/salesforce/orders/{order}", json={"Description": "changed"})
    control.put("/clock", json={"offset_seconds": 3600})
    script(control, "whm", "down")
    control.post("/reset").raise_for_status()
    assert orders(control) == before
    assert control.get("/whmcs/clients/1001").json()["city"] != "Elsewhere"
    assert control.get(f"/salesforce/orders/{order}").json()["Description"] is None
    assert control.get("/clock").json()["offset_seconds"] == 0
    assert control.get("/faults").json()["faults"] == []
    assert control.get("/calls").json()["total"] == 0


def test_reset_keeps_the_webhook_target(control: httpx.Client, receiver: Receiver) -> None:
    control.post("/reset")
    control.patch("/whmcs/clients/1001", json={"city": "Nara"})
    assert receiver.wait(1)[0]["event"] == "ClientEdit"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/whmcs/clients/1001", {"shoe_size": 43}, 422),
        ("/whmcs/invoices/1", {"status": "Paid"}, 404),
        ("/whmcs/moons/1", {"status": "full"}, 404),
        ("/whmcs/services/10010", {"recurringamount": "much"}, 422),
        ("/freebit/lines/000", {"state": "active"}, 404),
    ],
)
def test_a_change_that_does_not_fit_is_refused_in_a_sentence(
    control: httpx.Client, path: str, body: dict[str, object], status: int
) -> None:
    response = control.patch(path, json=body)
    assert response.status_code == status
    assert response.json()["error"].endswith(".")


def test_what_was_acknowledged_survives_a_kill_and_is_found_on_the_same_ports(tmp_path: Path) -> None:
    first = SandboxProcess.start(tmp_path)
    known = first.state["whmcs"]
    try:
        with browser(first, "whmcs") as http:
            made = Whmcs(http, known["identifier"], known["secret"]).call("AddOrder", **ORDER)
        first.stop(signal.SIGKILL)
        second = SandboxProcess.start(tmp_path)
    finally:
        first.process.kill()
    try:
        assert {**second.state, "customers": []} == {**first.state, "customers": []}
        with browser(second, "whmcs") as http:
            again = Whmcs(http, known["identifier"], known["secret"])
            assert again.call("GetOrders", id=made["orderid"])["totalresults"] == 1
            assert again.call("AddOrder", **ORDER)["orderid"] == made["orderid"] + 1
        httpx.post(f"{second.state['control_url']}/reset", trust_env=False).raise_for_status()
        with browser(second, "whmcs") as http:
            after = Whmcs(http, known["identifier"], known["secret"])
            assert after.call("GetOrders", id=made["orderid"])["totalresults"] == 0
    finally:
        second.stop()
    assert second.process.returncode == 0
    assert not group_exists(second.process.pid)


def test_webhooks_that_were_spooled_when_it_was_killed_are_sent_by_its_next_life(
    tmp_path: Path, control: httpx.Client, receiver: Receiver
) -> None:
    receiver.status = 503
    first = SandboxProcess.start(tmp_path)
    with httpx.Client(base_url=first.state["control_url"], trust_env=False) as own:
        own.put("/whmcs/webhook-target", json={"url": receiver.url})
        own.patch("/whmcs/clients/1007", json={"city": "Nara"}).raise_for_status()
    wait_for(lambda: receiver.requests, "an attempt")
    first.stop(signal.SIGKILL)
    receiver.requests.clear()
    receiver.status = 204
    second = SandboxProcess.start(tmp_path)
    try:
        assert receiver.wait(1)[0]["id"] == "1007"
    finally:
        second.stop()
