"""WHMCS's daily run: what is switched on happens and is counted, and a run that did not happen shows."""

from typing import Any

import httpx

from tests.sandbox.conftest import Whmcs

DAY = 24 * 3600


def on(control: httpx.Client, **configuration: str) -> None:
    control.put("/whmcs/automation", json={"configuration": configuration}).raise_for_status()


def overdue_service(control: httpx.Client, days: int) -> dict[str, Any]:
    """A service whose next due date is `days` ago."""
    made = control.post("/whmcs/services", json={"clientid": 1001, "pid": 306, "silent": True}).json()
    control.put("/clock", json={"advance_seconds": 0})
    today = control.get("/whmcs/services/" + made["id"]).json()["regdate"]
    from datetime import date, timedelta

    due = str(date.fromisoformat(today) - timedelta(days=days))
    body = {"status": "Active", "nextduedate": due, "nextinvoicedate": "0000-00-00", "silent": True}
    return dict(control.patch(f"/whmcs/services/{made['id']}", json=body).json())


def test_the_log_tells_the_last_run_on_the_servers_clock(whmcs: Whmcs, control: httpx.Client) -> None:
    log = whmcs.call("GetAutomationLog")
    assert log["lastDailyCronInvocationTime"].endswith(" 09:00:00")
    assert log["statistics"] == []
    control.post("/whmcs/daily-run").raise_for_status()
    log = whmcs.call("GetAutomationLog")
    assert log["lastDailyCronInvocationTime"] <= log["currentDatetime"]
    assert log["statistics"][log["currentDatetime"][:10]]["AutoSuspensions"] == {"suspended": 0}


def test_a_run_that_does_not_happen_any_more_grows_old(whmcs: Whmcs, control: httpx.Client) -> None:
    control.put("/whmcs/automation", json={"by_itself": False}).raise_for_status()
    assert whmcs.call("GetAutomationLog")["lastDailyCronInvocationTime"] == ""
    control.post("/whmcs/daily-run")
    before = whmcs.call("GetAutomationLog")["lastDailyCronInvocationTime"]
    control.put("/clock", json={"advance_seconds": 2 * DAY})
    assert whmcs.call("GetAutomationLog")["lastDailyCronInvocationTime"] == before
    control.put("/whmcs/automation", json={"by_itself": True})
    assert whmcs.call("GetAutomationLog")["lastDailyCronInvocationTime"] > before


def test_overdue_services_are_suspended_and_terminated_only_where_that_is_on(
    whmcs: Whmcs, control: httpx.Client
) -> None:
    late, later = overdue_service(control, 6), overdue_service(control, 31)

    def statuses() -> list[str]:
        return [control.get(f"/whmcs/services/{each['id']}").json()["status"] for each in (late, later)]

    control.post("/whmcs/daily-run")
    assert statuses() == ["Active", "Active"]
    on(control, AutoSuspension="on")
    ran = control.post("/whmcs/daily-run").json()
    assert statuses() == ["Suspended", "Suspended"]
    assert ran["AutoSuspensions.suspended"] >= 2
    on(control, AutoTermination="on")
    control.post("/whmcs/daily-run")
    assert statuses() == ["Suspended", "Terminated"]
    assert whmcs.call("GetConfigurationValue", setting="AutoSuspension")["value"] == "on"


def test_due_invoices_are_charged_once_a_day(control: httpx.Client) -> None:
    control.post("/whmcs/clients/1001/pay-methods", json={"card_number": "4000000000000002", "silent": True})
    for each in control.get("/whmcs/pay-methods").json()["records"]:
        if each["clientid"] == 1001 and each["card_last_four"] != "0002":
            control.delete(f"/whmcs/pay-methods/{each['id']}")
    for each in control.get("/whmcs/invoices", params={"status": "Unpaid"}).json()["records"]:
        control.patch(f"/whmcs/invoices/{each['id']}", json={"status": "Draft", "silent": True})
    body = {"userid": 1001, "paymentmethod": "stripe", "silent": True}
    made = control.post("/whmcs/invoices", json=body).json()
    today = made["date"][:10]
    control.patch(f"/whmcs/invoices/{made['id']}", json={"status": "Unpaid", "duedate": today, "silent": True})
    first, second = (control.post("/whmcs/daily-run").json() for _ in range(2))
    assert first["ProcessCreditCardPayments.failures"] >= 1
    assert second["ProcessCreditCardPayments.failures"] == 0
    control.put("/clock", json={"advance_seconds": DAY})
    assert control.post("/whmcs/daily-run").json()["ProcessCreditCardPayments.failures"] >= 1


def test_a_late_fee_is_added_once(control: httpx.Client) -> None:
    on(control, InvoiceLateFeeAmount="10.00", AddLateFeeDays="0")
    before = control.post("/whmcs/daily-run").json()["AddLateFees.invoice.latefees"]
    assert before >= 1
    assert control.post("/whmcs/daily-run").json()["AddLateFees.invoice.latefees"] == 0


def test_an_unknown_setting_is_refused(control: httpx.Client) -> None:
    assert control.put("/whmcs/automation", json={"configuration": {"AutoMagic": "on"}}).status_code == 422
    assert control.put("/whmcs/automation", json={"counters": {}}).status_code == 422
