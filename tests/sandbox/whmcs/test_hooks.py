"""WHMCS's hooks as signed webhooks: which fire, and what fate can do to them on their way."""

import time

import httpx

from tests.sandbox.conftest import Receiver, SandboxProcess, Whmcs, script, signature, wait_for

ORDER = {"clientid": 1001, "paymentmethod": "mailin", "pid": [306], "billingcycle": ["monthly"], "noinvoice": 1}


def test_accepting_an_order_fires_hooks_for_the_order_and_each_active_service(whmcs: Whmcs, receiver: Receiver) -> None:
    order = whmcs.call("AddOrder", **{**ORDER, "pid": [306, 333]})
    whmcs.call("AcceptOrder", orderid=order["orderid"])
    first, *others = receiver.wait(3)
    assert (first["event"], first["object"], first["id"]) == ("AcceptOrder", "order", str(order["orderid"]))
    assert [each["id"] for each in others] == order["serviceids"].split(",")
    assert {(each["object"], each["client_id"]) for each in others} == {("service", "1001")}


def test_every_webhook_is_signed_over_its_id_its_time_and_its_body(
    sandbox_process: SandboxProcess, control: httpx.Client, receiver: Receiver
) -> None:
    control.patch("/whmcs/clients/1001", json={"city": "Nara"}).raise_for_status()
    receiver.wait(1)
    headers, body = receiver.requests[0]
    assert headers["webhook-signature"] == signature(sandbox_process.state["whmcs"]["webhook_secret"], headers, body)
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 30
    assert headers["webhook-id"].startswith("msg_")


def test_a_payment_fires_its_own_hook_and_then_that_of_the_paid_invoice(
    control: httpx.Client, receiver: Receiver
) -> None:
    open_one = control.get("/whmcs/invoices", params={"status": "Unpaid"}).json()["records"][0]
    paid = control.post(f"/whmcs/invoices/{open_one['id']}/pay").json()
    assert paid["status"] == "Paid"
    bodies = receiver.wait(2)
    assert [each["event"] for each in bodies] == ["AddInvoicePayment", "InvoicePaid"]
    assert {(each["object"], each["id"], each["client_id"]) for each in bodies} == {
        ("invoice", open_one["id"], str(open_one["userid"]))
    }


def test_the_changes_without_a_hook_really_have_none(whmcs: Whmcs, control: httpx.Client, receiver: Receiver) -> None:
    open_one = control.get("/whmcs/invoices", params={"status": "Unpaid"}).json()["records"][0]
    control.post("/whmcs/clients/1001/pay-methods", json={"silent": True}).raise_for_status()
    control.post(f"/whmcs/invoices/{open_one['id']}/pay", json={"silent": True}).raise_for_status()
    control.patch("/whmcs/clients/1002", json={"city": "Nara", "silent": True}).raise_for_status()
    card = whmcs.call("GetPayMethods", clientid=1001)["paymethods"][0]
    whmcs.call("DeletePayMethod", clientid=1001, paymethodid=card["id"])
    whmcs.call("AddCredit", clientid=1001, description="Goodwill", amount="100")
    other = whmcs.call("CreateInvoice", userid=1001, itemdescription1="x", itemamount1="1", itemtaxed1=0)
    whmcs.call("UpdateInvoice", invoiceid=other["invoiceid"], status="Cancelled")
    receiver.wait(2)
    time.sleep(0.2)
    assert receiver.events() == ["InvoiceCreation", "InvoiceCreated"]


def test_a_new_card_names_the_client_only(control: httpx.Client, receiver: Receiver) -> None:
    control.post("/whmcs/clients/1001/pay-methods").raise_for_status()
    [body] = receiver.wait(1)
    assert (body["event"], body["object"], body["id"], body["client_id"]) == ("CCUpdate", "pay_method", "", "1001")


def test_a_dropped_webhook_never_comes_and_the_next_one_does(control: httpx.Client, receiver: Receiver) -> None:
    script(control, "whmcs", "drop_webhook")
    control.patch("/whmcs/clients/1001", json={"city": "Nara"})
    control.patch("/whmcs/clients/1002", json={"city": "Nara"})
    assert [each["id"] for each in receiver.wait(1)] == ["1002"]
    sent = control.get("/whmcs/webhooks").json()["sent"]
    assert [each["outcome"] for each in sent[-2:]] == ["dropped", "delivered"]


def test_a_duplicate_comes_twice_under_one_id(control: httpx.Client, receiver: Receiver) -> None:
    script(control, "whmcs", "duplicate_webhook", operation="ClientEdit")
    control.patch("/whmcs/clients/1001", json={"city": "Nara"})
    receiver.wait(2)
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1


def test_reordered_webhooks_come_last_one_first(control: httpx.Client, receiver: Receiver) -> None:
    script(control, "whmcs", "reorder_webhooks", count=3)
    for number in (1001, 1002, 1003):
        control.patch(f"/whmcs/clients/{number}", json={"city": "Nara"})
    assert [each["id"] for each in receiver.wait(3)] == ["1003", "1002", "1001"]


def test_a_held_webhook_comes_in_the_end_though_no_other_follows(control: httpx.Client, receiver: Receiver) -> None:
    script(control, "whmcs", "reorder_webhooks", count=3)
    control.patch("/whmcs/clients/1001", json={"city": "Nara"})
    assert [each["id"] for each in receiver.wait(1)] == ["1001"]


def test_while_the_target_refuses_webhooks_wait_in_order_and_lose_nothing(
    control: httpx.Client, receiver: Receiver
) -> None:
    receiver.status = 503
    for number in (1001, 1002):
        control.patch(f"/whmcs/clients/{number}", json={"city": "Nara"})
    receiver.wait(2)
    assert [each["record_id"] for each in control.get("/whmcs/webhooks").json()["spooled"]] == ["1001", "1002"]
    receiver.requests.clear()
    receiver.status = 204
    assert [each["id"] for each in receiver.wait(2)] == ["1001", "1002"]
    wait_for(lambda: not control.get("/whmcs/webhooks").json()["spooled"], "an empty spool")


def test_a_webhook_that_is_refused_for_good_is_given_up_and_the_next_one_comes(
    control: httpx.Client, receiver: Receiver
) -> None:
    receiver.status = 401
    control.patch("/whmcs/clients/1001", json={"city": "Nara"})
    wait_for(lambda: not control.get("/whmcs/webhooks").json()["spooled"], "an empty spool")
    receiver.requests.clear()
    receiver.status = 204
    control.patch("/whmcs/clients/1002", json={"city": "Nara"})
    assert [each["id"] for each in receiver.wait(1)] == ["1002"]


def test_without_a_target_nothing_is_spooled(control: httpx.Client) -> None:
    control.patch("/whmcs/clients/1001", json={"city": "Nara"})
    assert control.get("/whmcs/webhooks").json()["spooled"] == []
