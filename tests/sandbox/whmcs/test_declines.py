"""Declines by script: of a client or a method, so many times, told or not, and for every way to charge."""

from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Whmcs

CLIENT = 1001


@pytest.fixture
def bill(control: httpx.Client) -> Any:
    """Make an invoice to be charged to a card on file."""
    control.post(f"/whmcs/clients/{CLIENT}/pay-methods", json={"silent": True}).raise_for_status()

    def make() -> str:
        body = {"userid": CLIENT, "paymentmethod": "stripe", "silent": True}
        return str(control.post("/whmcs/invoices", json=body).json()["id"])

    return make


def decline(control: httpx.Client, **body: Any) -> httpx.Response:
    return control.post("/whmcs/declines", json=body)


def logged(whmcs: Whmcs, invoice: str) -> list[dict[str, Any]]:
    return list(whmcs.call("PortalGatewayLog", invoiceid=invoice)["entries"]["entry"])


def test_whmcs_says_nothing_and_its_log_says_why(whmcs: Whmcs, control: httpx.Client, bill: Any) -> None:
    invoice = bill()
    decline(control, code="stolen_card").raise_for_status()
    assert whmcs.refusal("CapturePayment", invoiceid=invoice) == "Payment Attempt Failed"
    [entry] = logged(whmcs, invoice)
    assert (entry["result"], str(entry["invoiceid"])) == ("Declined", invoice)
    assert "[decline_code] => stolen_card" in entry["data"]
    assert "stolen" not in entry["data"].split("[message]")[1], "Stripe tells customers nothing of that"


@pytest.mark.parametrize(("tells", "sentence"), [("nothing", ""), ("answer", ": Your card has insufficient funds.")])
def test_where_it_is_told_is_scripted(
    whmcs: Whmcs, control: httpx.Client, bill: Any, tells: str, sentence: str
) -> None:
    invoice = bill()
    decline(control, code="insufficient_funds", tells=tells).raise_for_status()
    assert whmcs.refusal("CapturePayment", invoiceid=invoice) == f"Payment Attempt Failed{sentence}"
    assert logged(whmcs, invoice) == []


def test_a_script_is_of_a_client_or_a_method_and_ends(whmcs: Whmcs, control: httpx.Client, bill: Any) -> None:
    first, second = bill(), bill()
    decline(control, code="processing_error", client_id=9_999).raise_for_status()
    decline(control, code="processing_error", client_id=CLIENT, count=1).raise_for_status()
    assert whmcs.refusal("CapturePayment", invoiceid=first)
    whmcs.call("CapturePayment", invoiceid=first)
    method = whmcs.call("GetPayMethods", clientid=CLIENT)["paymethods"][0]["id"]
    decline(control, code="lost_card", pay_method_id=method).raise_for_status()
    assert whmcs.refusal("CapturePayment", invoiceid=second)
    control.delete("/whmcs/declines").raise_for_status()
    whmcs.call("CapturePayment", invoiceid=second)
    assert [each["result"] for each in logged(whmcs, second)] == ["Successful", "Declined"]


def test_the_log_is_read_only_where_its_action_is_installed(whmcs: Whmcs, control: httpx.Client, bill: Any) -> None:
    control.put("/whmcs/card-gateway", json={"readable": False}).raise_for_status()
    assert whmcs.ask("PortalGatewayLog", invoiceid=bill()).status_code == 403


def test_the_daily_run_meets_the_same_declines(control: httpx.Client, bill: Any) -> None:
    invoice = bill()
    decline(control, code="issuer_not_available").raise_for_status()
    assert control.post("/whmcs/daily-run").json()["ProcessCreditCardPayments.failures"] >= 1
    newest = [each for each in control.get("/whmcs/gateway-log").json() if str(each["invoiceid"]) == invoice]
    assert [each["result"] for each in newest] == ["Declined"]


@pytest.mark.parametrize(
    "body", [{}, {"code": "x", "tells": "all"}, {"code": "x", "when": 1}, {"code": "x", "count": "y"}]
)
def test_a_script_that_is_none_is_refused(control: httpx.Client, body: dict[str, Any]) -> None:
    assert decline(control, **body).status_code == 422
