"""Orders and services: added, found again, accepted, suspended, cancelled."""

import base64

import httpx
import pytest

from tests.sandbox.conftest import Whmcs

ORDER = {
    "clientid": 1001,
    "paymentmethod": "mailin",
    "pid": [306, 333],
    "billingcycle": ["monthly", "onetime"],
    "qty": [1, 1],
    "domain": ["", ""],
    "notes": "sfOrderId=8015h0000000001AAA",
    "noinvoice": 1,
    "noinvoiceemail": 1,
    "noemail": 1,
}


def services_of(whmcs: Whmcs, order: dict[str, str]) -> list[dict[str, str]]:
    """Return the services that AddOrder named, in its order."""
    rows = [whmcs.call("GetClientsProducts", serviceid=each) for each in order["serviceids"].split(",")]
    return [row["products"]["product"][0] for row in rows]


def test_an_order_stays_pending_with_its_services_until_it_is_accepted(whmcs: Whmcs) -> None:
    order = whmcs.call("AddOrder", **ORDER)
    assert order["invoiceid"] == 0
    assert [(each["pid"], each["status"]) for each in services_of(whmcs, order)] == [
        ("306", "Pending"),
        ("333", "Pending"),
    ]
    whmcs.call("AcceptOrder", orderid=order["orderid"])
    active = services_of(whmcs, order)
    assert [each["status"] for each in active] == ["Active", "Active"]
    assert [each["billingcycle"] for each in active] == ["Monthly", "One Time"]
    assert [each["nextduedate"] == "0000-00-00" for each in active] == [False, True]
    assert whmcs.refusal("AcceptOrder", orderid=order["orderid"]) == "Order ID not found or Status not Pending"


def test_an_order_is_found_by_its_notes_newest_first(whmcs: Whmcs) -> None:
    made = [whmcs.call("AddOrder", **{**ORDER, "notes": f"sfOrderId={number}"}) for number in (1, 2)]
    rows = whmcs.call("GetOrders", userid=1001)["orders"]["order"]
    assert [(row["id"], row["notes"]) for row in rows[:2]] == [
        (made[1]["orderid"], "sfOrderId=2"),
        (made[0]["orderid"], "sfOrderId=1"),
    ]
    lines = rows[0]["lineitems"]["lineitem"]
    assert [str(line["relid"]) for line in lines] == made[1]["serviceids"].split(",")
    assert lines[0]["product"].startswith("SIM - ")
    assert rows[0]["paymentstatus"] == ""


def test_the_same_order_twice_makes_two(whmcs: Whmcs) -> None:
    assert whmcs.call("AddOrder", **ORDER)["orderid"] != whmcs.call("AddOrder", **ORDER)["orderid"]


def test_without_noinvoice_an_invoice_with_all_lines_comes_along(whmcs: Whmcs) -> None:
    order = whmcs.call("AddOrder", **{**ORDER, "noinvoice": 0})
    found = whmcs.call("GetInvoice", invoiceid=order["invoiceid"])
    assert found["subtotal"] == "3680.00"
    assert {line["type"] for line in found["items"]["item"]} == {"Hosting"}
    assert whmcs.call("GetOrders", id=order["orderid"])["orders"]["order"][0]["paymentstatus"] == "Unpaid"


def test_quantity_makes_that_many_services_and_custom_fields_reach_each(whmcs: Whmcs) -> None:
    fields = base64.b64encode(b'a:1:{i:301;s:18:"0065h00000000001AA";}').decode()
    order = whmcs.call("AddOrder", **{**ORDER, "pid": [306], "qty": [2], "customfields": [fields]})
    made = services_of(whmcs, order)
    assert len(made) == 2
    values = [each["customfields"]["customfield"][0]["value"] for each in made]  # type: ignore[index]
    assert values == ["0065h00000000001AA"] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clientid": 99}, "Client ID Not Found"),
        ({"paymentmethod": "cash"}, "Invalid Payment Method. Valid options include mailin,stripe,banktransfer"),
        ({"pid": []}, "No items added to cart so order cannot proceed"),
        ({"pid": [99_999]}, "No items added to cart so order cannot proceed"),
        ({"pid": "306"}, "Expecting parameter 'pid' to be an array"),
        ({"billingcycle": ["fortnightly"]}, "Invalid Billing Cycle fortnightly"),
    ],
)
def test_an_order_that_cannot_be_made_is_refused_and_leaves_nothing(
    whmcs: Whmcs, control: httpx.Client, change: dict[str, object], message: str
) -> None:
    before = [control.get(f"/whmcs/{table}").json()["total"] for table in ("orders", "services", "invoices")]
    assert whmcs.refusal("AddOrder", **{**ORDER, **change}) == message
    assert [control.get(f"/whmcs/{table}").json()["total"] for table in ("orders", "services", "invoices")] == before


def test_a_closed_client_cannot_order(whmcs: Whmcs) -> None:
    whmcs.call("CloseClient", clientid=1003)
    message = whmcs.refusal("AddOrder", **{**ORDER, "clientid": 1003})
    assert message == "Unable to add order when client status is Closed"


def test_cancelling_takes_services_and_the_open_invoice_along(whmcs: Whmcs) -> None:
    order = whmcs.call("AddOrder", **{**ORDER, "noinvoice": 0})
    whmcs.call("CancelOrder", orderid=order["orderid"])
    assert {each["status"] for each in services_of(whmcs, order)} == {"Cancelled"}
    assert whmcs.call("GetInvoice", invoiceid=order["invoiceid"])["status"] == "Cancelled"
    assert whmcs.refusal("CancelOrder", orderid=order["orderid"]) == "Order ID not found or Status not Pending"


def test_a_client_without_orders_gets_an_answer_without_the_key(whmcs: Whmcs) -> None:
    answer = whmcs.call("GetOrders", userid=424_242)
    assert (answer["totalresults"], "orders" in answer) == (0, False)


def test_module_commands_move_a_service_and_refuse_what_does_not_fit(whmcs: Whmcs) -> None:
    order = whmcs.call("AddOrder", **{**ORDER, "pid": [501], "domain": ["shop.example.jp"]})
    service = order["serviceids"]
    whmcs.call("ModuleCreate", serviceid=service)
    assert whmcs.refusal("ModuleUnsuspend", serviceid=service)
    whmcs.call("ModuleSuspend", serviceid=service, suspendreason="Overdue")
    suspended = services_of(whmcs, order)[0]
    assert (suspended["status"], suspended["suspensionreason"]) == ("Suspended", "Overdue")
    whmcs.call("ModuleUnsuspend", accountid=service)
    whmcs.call("ModuleTerminate", serviceid=service)
    assert services_of(whmcs, order)[0]["status"] == "Terminated"
    assert whmcs.refusal("ModuleSuspend", serviceid=1) == "Service ID not found"


def test_a_service_is_asked_to_be_cancelled_once_and_stays_active(whmcs: Whmcs, control: httpx.Client) -> None:
    service = next(each for each in control.get("/whmcs/services").json()["records"] if each["status"] == "Active")
    whmcs.call("AddCancelRequest", serviceid=service["id"], type="End of Billing Period", reason="Moving")
    again = whmcs.refusal("AddCancelRequest", serviceid=service["id"])
    assert again == "Existing Cancellation Request Exists"
    packages = whmcs.call("GetCancelledPackages")["packages"]["package"]
    assert [(str(each["relid"]), each["type"]) for each in packages] == [(service["id"], "End of Billing Period")]
    assert control.get(f"/whmcs/services/{service['id']}").json()["status"] == "Active"


def test_salesforce_and_whmcs_agree_about_past_orders(whmcs: Whmcs, control: httpx.Client) -> None:
    sold = control.get("/salesforce/orders").json()["records"]
    billed = {each["id"]: each for each in control.get("/whmcs/orders").json()["records"]}
    assert len(sold) == len(billed) > 0
    for order in sold:
        assert order["EffectiveDate"] <= billed[order["WHMCS_Order_ID__c"]]["date"][:10]
        service = billed[order["WHMCS_Order_ID__c"]]["service_ids"][0]
        items = control.get("/salesforce/OrderItem", params={"OrderId": order["Id"]}) if order is sold[0] else None
        if items is not None:
            product = control.get(f"/salesforce/Product2/{items.json()['records'][0]['Product2Id']}").json()
            pid = control.get(f"/whmcs/services/{service}").json()["pid"]
            assert pid == int(product["WH_Product_ID__c"])


def test_the_daily_run_carries_out_what_was_asked_and_bills_it_no_more(whmcs: Whmcs, control: httpx.Client) -> None:
    services = control.get("/whmcs/services", params={"status": "Active"}).json()["records"]
    now, later = (str(each["id"]) for each in services[:2])
    whmcs.call("AddCancelRequest", serviceid=now, type="Immediate")
    whmcs.call("AddCancelRequest", serviceid=later, type="End of Billing Period")
    assert control.post("/whmcs/cron").json()["cancelled"] == [now]
    assert control.get(f"/whmcs/services/{later}").json()["status"] == "Active"
    control.put("/clock", json={"advance_seconds": 40 * 86_400}).raise_for_status()
    ran = control.post("/whmcs/cron").json()
    assert ran["cancelled"] == [later]
    billed = [control.get(f"/whmcs/invoices/{each['id']}").json() for each in ran["invoices"]]
    assert not any(str(item["relid"]) in (now, later) for invoice in billed for item in invoice["items"])


def test_add_ons_are_listed_by_client_and_service(whmcs: Whmcs, control: httpx.Client) -> None:
    service = control.get("/whmcs/services", params={"status": "Active"}).json()["records"][0]
    client_id, service_id = str(service["clientid"]), str(service["id"])
    assert whmcs.call("GetClientsAddons", clientid=client_id)["addons"] == ""
    control.post(f"/whmcs/services/{service_id}/addons", json={"name": "Backup", "recurring": "300"}).raise_for_status()
    for asked in ({"clientid": client_id}, {"serviceid": service_id}):
        [addon] = whmcs.call("GetClientsAddons", **asked)["addons"]["addon"]
        assert (addon["name"], addon["recurring"], addon["status"]) == ("Backup", "300.00", "Active")
    assert whmcs.call("GetClientsAddons", clientid="1")["totalresults"] == 0
