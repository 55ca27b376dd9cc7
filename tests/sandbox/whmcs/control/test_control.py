"""Contents of real installations of WHMCS: lists that move, users apart from clients, unexpected records."""

import json
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Whmcs, script


def services(whmcs: Whmcs, start: int, size: int = 2) -> list[str]:
    page = whmcs.call("GetClientsProducts", clientid=1001, limitstart=start, limitnum=size)
    return [each["id"] for each in page["products"]["product"]]


@pytest.fixture
def many(control: httpx.Client) -> list[str]:
    """Six services of one client, in the order in which WHMCS lists them."""
    for _ in range(4):
        control.post("/whmcs/services", json={"clientid": 1001, "pid": 306, "silent": True}).raise_for_status()
    rows = control.get("/whmcs/services", params={"clientid": "1001"}).json()["records"]
    return [each["id"] for each in reversed(rows)]


def test_a_row_of_page_one_is_deleted_while_page_two_is_read(
    whmcs: Whmcs, control: httpx.Client, many: list[str]
) -> None:
    script(control, "whmcs", "moving", operation="GetClientsProducts", how="delete")
    assert services(whmcs, 0) == many[:2]
    assert services(whmcs, 2) == many[3:5]  # the third moved up to page 1 and was never seen
    assert whmcs.call("GetClientsProducts", clientid=1001)["totalresults"] == len(many) - 1


def test_a_row_comes_before_those_of_page_one(whmcs: Whmcs, control: httpx.Client, many: list[str]) -> None:
    script(control, "whmcs", "moving", operation="GetClientsProducts", how="insert")
    assert services(whmcs, 0) == many[:2]
    assert services(whmcs, 2) == many[1:3]
    assert whmcs.call("GetClientsProducts", clientid=1001)["totalresults"] == len(many) + 1


def test_rows_change_places_and_nothing_else(whmcs: Whmcs, control: httpx.Client, many: list[str]) -> None:
    script(control, "whmcs", "moving", operation="GetClientsProducts", how="reorder")
    assert services(whmcs, 0) == many[:2]
    assert services(whmcs, 2) == [many[0], many[3]]
    assert sorted(services(whmcs, 0, 25)) == sorted(many)


def test_a_moving_list_waits_for_a_page_after_the_first(whmcs: Whmcs, control: httpx.Client, many: list[str]) -> None:
    script(control, "whmcs", "moving", operation="*")
    services(whmcs, 0)
    assert len(control.get("/faults").json()["faults"]) == 1


def test_a_page_is_shorter_than_asked_and_the_total_is_right(
    whmcs: Whmcs, control: httpx.Client, many: list[str]
) -> None:
    script(control, "whmcs", "short_pages", rows=3)
    page = whmcs.call("GetClientsProducts", clientid=1001, limitnum=100)
    assert (len(page["products"]["product"]), page["totalresults"]) == (3, len(many))


def test_a_login_may_have_another_address_than_its_client(whmcs: Whmcs, control: httpx.Client) -> None:
    owner = control.get("/whmcs/clients/1001").json()["owner_user_id"]
    control.patch(f"/whmcs/users/{owner}", json={"email": "login@example.net", "password": "n3w"}).raise_for_status()
    assert whmcs.call("ValidateLogin", email="login@example.net", password2="n3w")["userid"] == owner
    assert whmcs.call("GetClientsDetails", clientid=1001)["client"]["email"] == "customer001@example.com"
    assert "Email or Password Invalid" in whmcs.refusal(
        "ValidateLogin", email="customer001@example.com", password2="n3w"
    )
    assert whmcs.call("GetUsers", search="login@")["users"][0]["clients"] == [{"id": 1001, "isOwner": True}]


def test_a_sub_user_logs_in_for_a_client_that_another_owns(whmcs: Whmcs, control: httpx.Client) -> None:
    body = {"email": "helper@example.net", "password": "pw", "clients": [1001, 1002]}
    made = control.post("/whmcs/users", json=body).json()
    assert whmcs.call("ValidateLogin", email=body["email"], password2="pw")["userid"] == int(made["id"])
    [shown] = whmcs.call("GetUsers", search="helper@")["users"]
    assert shown["clients"] == [{"id": 1001, "isOwner": False}, {"id": 1002, "isOwner": False}]
    users = whmcs.call("GetClientsDetails", clientid=1001)["client"]["users"]["user"]
    assert [each["is_owner"] for each in users] == [True, False]


def test_one_user_owns_two_clients_and_outlives_the_first(whmcs: Whmcs, control: httpx.Client) -> None:
    body = {"email": "both@example.net", "password": "pw", "owns": [1001, 1002]}
    user = int(control.post("/whmcs/users", json=body).json()["id"])
    [shown] = whmcs.call("GetUsers", search="both@")["users"]
    assert [each["id"] for each in shown["clients"]] == [1001, 1002]
    control.delete("/whmcs/clients/1001").raise_for_status()
    assert whmcs.call("ValidateLogin", email="both@example.net", password2="pw")["userid"] == user
    control.delete("/whmcs/clients/1002").raise_for_status()
    assert whmcs.refusal("ValidateLogin", email="both@example.net", password2="pw")


def test_ten_thousand_cancellation_requests(whmcs: Whmcs, control: httpx.Client) -> None:
    made = control.post("/whmcs/cancel-requests", json={"count": 10_001}).json()
    assert made["made"] == 10_001
    last = whmcs.call("GetCancelledPackages", limitstart=10_000, limitnum=100)
    assert (last["totalresults"], last["numreturned"]) == (10_001, 1)


@pytest.mark.parametrize("status", ["Draft", "Collections", "Payment Pending", "Refunded", "Cancelled"])
def test_an_invoice_of_every_status(whmcs: Whmcs, control: httpx.Client, status: str) -> None:
    made = control.post("/whmcs/invoices", json={"userid": 1001, "amount": "1500", "status": status}).json()
    assert whmcs.call("GetInvoice", invoiceid=made["id"])["status"] == status


def test_a_name_that_is_a_trap_and_a_fee_that_is_no_service(whmcs: Whmcs, control: httpx.Client) -> None:
    trap = {"name": "VPN for Internet travellers", "groupname": "VPN", "price": "900"}
    fee = {"name": "SIM activation", "groupname": "SIM", "paytype": "onetime", "price": "1500"}
    for body in (trap, fee):
        pid = control.post("/whmcs/products", json=body).json()["id"]
        control.post("/whmcs/services", json={"clientid": 1001, "pid": pid}).raise_for_status()
    first, second = whmcs.call("GetClientsProducts", clientid=1001, limitnum=100)["products"]["product"][-2:]
    assert (first["name"], first["groupname"], first["billingcycle"]) == (trap["name"], "VPN", "Monthly")
    assert (second["billingcycle"], second["recurringamount"]) == ("One Time", "0.00")


def test_odd_texts_are_stored_as_they_are(whmcs: Whmcs, control: httpx.Client) -> None:
    odd = "a\x00b \ud83d ?a=1&copy=2"
    service = control.get("/whmcs/services").json()["records"][0]["id"]
    body = {"domain": odd, "nextduedate": "-0001-11-30"}
    answer = control.request("PATCH", f"/whmcs/services/{service}", content=json.dumps(body))
    assert answer.json()["domain"] == odd
    told = whmcs.call("GetClientsProducts", serviceid=service)["products"]["product"][0]
    assert (told["domain"], told["nextduedate"]) == (odd, "-0001-11-30")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/whmcs/users", {"email": "customer001@example.com"}),
        ("/whmcs/users", {"email": "new@example.net", "owns": [7]}),
        ("/whmcs/services", {"clientid": 7, "pid": 306}),
        ("/whmcs/products", {"pid": 306}),
        ("/whmcs/invoices", {"userid": 1001, "amount": "much"}),
        ("/whmcs/cancel-requests", {"count": 0}),
    ],
)
def test_what_does_not_fit_is_refused(control: httpx.Client, path: str, body: dict[str, Any]) -> None:
    assert control.post(path, json=body).status_code == 422
