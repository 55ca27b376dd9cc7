"""WHMCS's daily run spares whom its settings spare, and a payment ends only suspensions of its own."""

from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Whmcs

DAY = 24 * 3600
CLIENT = 1001


@pytest.fixture
def late(control: httpx.Client) -> dict[str, Any]:
    """A service that has been overdue for six days, where suspension is switched on after five."""
    on = {"AutoSuspension": "on", "AutoUnsuspend": "on"}
    control.put("/whmcs/automation", json={"configuration": on}).raise_for_status()
    made = control.post("/whmcs/services", json={"clientid": CLIENT, "pid": 306, "silent": True}).json()
    due = str(date.fromisoformat(made["regdate"]) - timedelta(days=6))
    body = {"nextduedate": due, "nextinvoicedate": "0000-00-00", "silent": True}
    return dict(control.patch(f"/whmcs/services/{made['id']}", json=body).json())


def status(control: httpx.Client, service: dict[str, Any]) -> str:
    return str(control.get(f"/whmcs/services/{service['id']}").json()["status"])


def run(control: httpx.Client) -> dict[str, int]:
    return dict(control.post("/whmcs/daily-run").json())


def bill(control: httpx.Client, service: dict[str, Any]) -> str:
    invoice = str(control.post("/whmcs/invoices", json={"userid": CLIENT, "silent": True}).json()["id"])
    line = {"type": "Hosting", "relid": service["id"], "silent": True}
    control.post(f"/whmcs/invoices/{invoice}/lines", json=line).raise_for_status()
    return invoice


def test_a_group_that_is_exempt_is_neither_suspended_nor_terminated(
    whmcs: Whmcs, control: httpx.Client, late: dict[str, Any]
) -> None:
    group = control.post("/whmcs/client-groups", json={"groupname": "Hospitals", "susptermexempt": True}).json()
    control.patch(f"/whmcs/clients/{CLIENT}", json={"groupid": int(group["id"])}).raise_for_status()
    [told] = whmcs.call("GetClientGroups")["groups"]["group"]
    assert (told["id"], told["groupname"], told["susptermexempt"]) == (int(group["id"]), "Hospitals", "on")
    assert str(whmcs.call("GetClientsDetails", clientid=CLIENT)["client"]["groupid"]) == group["id"]
    control.put("/whmcs/automation", json={"configuration": {"AutoTermination": "on", "AutoTerminationDays": "5"}})
    run(control)
    assert status(control, late) == "Active"
    control.patch(f"/whmcs/clients/{CLIENT}", json={"groupid": 0})
    control.put("/whmcs/automation", json={"configuration": {"AutoTermination": ""}})
    run(control)
    assert status(control, late) == "Suspended"


def test_an_override_holds_until_its_day(whmcs: Whmcs, control: httpx.Client, late: dict[str, Any]) -> None:
    until = str(date.fromisoformat(late["regdate"]) + timedelta(days=2))
    told = {"serviceid": late["id"], "overideautosuspend": "on", "overidesuspenduntil": until}
    whmcs.call("UpdateClientProduct", **told)
    [shown] = whmcs.call("GetClientsProducts", serviceid=late["id"])["products"]["product"]
    assert (shown["overideautosuspend"], shown["overidesuspenduntil"]) == ("on", until)
    run(control)
    assert status(control, late) == "Active"
    control.put("/clock", json={"advance_seconds": 2 * DAY})
    run(control)
    assert status(control, late) == "Suspended"


def test_an_override_without_a_day_holds_and_off_is_off(
    whmcs: Whmcs, control: httpx.Client, late: dict[str, Any]
) -> None:
    whmcs.call("UpdateClientProduct", serviceid=late["id"], overideautosuspend="on")
    run(control)
    assert status(control, late) == "Active"
    whmcs.call("UpdateClientProduct", serviceid=late["id"], overideautosuspend="off")
    run(control)
    assert status(control, late) == "Suspended"


@pytest.mark.parametrize("stops", [True, False])
def test_a_pending_payment_is_not_charged_again_and_both_readings_of_it_can_be_played(
    whmcs: Whmcs, control: httpx.Client, late: dict[str, Any], stops: bool
) -> None:
    control.put("/whmcs/dialect", json={"pending_stops_suspension": stops}).raise_for_status()
    control.put("/whmcs/card-gateway", json={"pending": True}).raise_for_status()
    invoice = bill(control, late)
    control.patch(f"/whmcs/invoices/{invoice}", json={"paymentmethod": "stripe", "silent": True})
    control.post(f"/whmcs/clients/{CLIENT}/pay-methods", json={"silent": True})
    whmcs.call("CapturePayment", invoiceid=invoice)
    assert whmcs.call("GetInvoice", invoiceid=invoice)["status"] == "Payment Pending"
    run(control)
    assert status(control, late) == ("Active" if stops else "Suspended")
    assert not whmcs.call("GetInvoice", invoiceid=invoice)["transactions"]
    control.post(f"/whmcs/invoices/{invoice}/confirm", json={"accepted": False}).raise_for_status()
    assert whmcs.call("GetInvoice", invoiceid=invoice)["status"] == "Unpaid"
    assert control.post(f"/whmcs/invoices/{invoice}/confirm", json={}).status_code == 409


@pytest.mark.parametrize("way", ["bank", "credit", "mass payment", "pending"])
def test_a_payment_ends_the_suspension_whichever_way_it_came(
    whmcs: Whmcs, control: httpx.Client, late: dict[str, Any], way: str
) -> None:
    run(control)
    assert status(control, late) == "Suspended"
    invoice = bill(control, late)
    if way == "bank":
        control.post(f"/whmcs/invoices/{invoice}/pay", json={})
    if way == "credit":
        whmcs.call("AddCredit", clientid=CLIENT, amount="100000.00", description="Gift")
        whmcs.call("ApplyCredit", invoiceid=invoice, amount="full")
    if way == "pending":
        control.patch(f"/whmcs/invoices/{invoice}", json={"status": "Payment Pending", "silent": True})
        control.post(f"/whmcs/invoices/{invoice}/confirm", json={"accepted": True}).raise_for_status()
    if way == "mass payment":
        whole = control.post("/whmcs/invoices", json={"userid": CLIENT, "amount": "0.00", "silent": True}).json()
        balance = whmcs.call("GetInvoice", invoiceid=invoice)["balance"]
        line = {"type": "Invoice", "relid": invoice, "amount": balance, "taxed": False}
        control.post(f"/whmcs/invoices/{whole['id']}/lines", json=line).raise_for_status()
        control.post(f"/whmcs/invoices/{whole['id']}/pay", json={}).raise_for_status()
    assert whmcs.call("GetInvoice", invoiceid=invoice)["status"] == "Paid"
    assert status(control, late) == "Active"


def test_a_payment_never_lifts_what_staff_suspended_for_another_reason(
    whmcs: Whmcs, control: httpx.Client, late: dict[str, Any]
) -> None:
    invoice = bill(control, late)
    whmcs.call("UpdateClientProduct", serviceid=late["id"], status="Suspended", suspendreason="Spam")
    control.post(f"/whmcs/invoices/{invoice}/pay", json={})
    assert status(control, late) == "Suspended"


def test_the_daily_run_follows_the_fast_clock(whmcs: Whmcs, control: httpx.Client, late: dict[str, Any]) -> None:
    on = {"with_clock": True, "configuration": {"SendReminder": "on"}}
    control.put("/whmcs/automation", json=on).raise_for_status()
    moved = control.put("/clock", json={"advance_seconds": 30 * DAY}).json()
    assert (moved["daily_runs"], round(moved["offset_seconds"])) == (30, 30 * DAY)
    assert status(control, late) == "Suspended"
    days = whmcs.call("GetAutomationLog", startdate=late["regdate"])["statistics"]
    assert len(days) == 30
    assert sum(each["AutoSuspensions"]["suspended"] for each in days.values()) >= 1
    assert control.put("/clock", json={"advance_seconds": -DAY}).json()["daily_runs"] == 0


def test_credit_pays_new_invoices_where_that_is_on(whmcs: Whmcs, control: httpx.Client) -> None:
    made = control.post("/whmcs/services", json={"clientid": CLIENT, "pid": 306, "silent": True}).json()
    today = {"nextinvoicedate": made["regdate"], "nextduedate": made["regdate"], "silent": True}
    control.patch(f"/whmcs/services/{made['id']}", json=today).raise_for_status()
    control.put("/whmcs/automation", json={"configuration": {"NoAutoApplyCredit": ""}})
    whmcs.call("AddCredit", clientid=CLIENT, amount="1000000.00", description="Gift")
    whmcs.call("GenInvoices", serviceids=[made["id"]])
    newest = control.get("/whmcs/invoices", params={"userid": str(CLIENT)}).json()["records"][0]
    assert (newest["status"], newest["balance"]) == ("Paid", "0.00")


def test_a_client_may_be_spared_charges_fees_and_reminders(control: httpx.Client) -> None:
    for each in control.get("/whmcs/invoices", params={"status": "Unpaid"}).json()["records"]:
        control.patch(f"/whmcs/invoices/{each['id']}", json={"status": "Draft", "silent": True})
    made = control.post("/whmcs/invoices", json={"userid": CLIENT, "paymentmethod": "stripe", "silent": True}).json()
    yesterday = str(date.fromisoformat(made["date"][:10]) - timedelta(days=1))
    control.patch(f"/whmcs/invoices/{made['id']}", json={"duedate": yesterday, "silent": True})
    on = {"SendReminder": "on", "InvoiceLateFeeAmount": "10.00", "AddLateFeeDays": "1"}
    control.put("/whmcs/automation", json={"configuration": on})
    spared = {"latefeeoveride": True, "overideduenotices": True, "disableautocc": True, "silent": True}
    control.patch(f"/whmcs/clients/{CLIENT}", json=spared).raise_for_status()
    ran = run(control)
    names = ("AddLateFees.invoice.latefees", "InvoiceReminders.overdue.first", "ProcessCreditCardPayments.captured")
    assert [ran[each] for each in names] == [0, 0, 0]
    control.patch(f"/whmcs/clients/{CLIENT}", json=dict.fromkeys(spared, False) | {"silent": True})
    control.post("/whmcs/declines", json={"code": "insufficient_funds"}).raise_for_status()
    ran = run(control)
    assert [ran[each] for each in (*names, "ProcessCreditCardPayments.failures")] == [1, 1, 0, 1]
