"""Invoices and money: arithmetic, payments, credit, the daily run, upgrades."""

import httpx
import pytest

from tests.sandbox.conftest import Whmcs


def invoice_of(whmcs: Whmcs, **lines: object) -> dict[str, object]:
    made = whmcs.call("CreateInvoice", userid=1001, itemdescription1="SIM", itemamount1="2980", itemtaxed1=1, **lines)
    return whmcs.call("GetInvoice", invoiceid=made["invoiceid"])


def test_tax_of_ten_percent_comes_on_top_of_the_taxed_lines(whmcs: Whmcs) -> None:
    found = invoice_of(whmcs, itemdescription2="Stamp", itemamount2="100.00", itemtaxed2=0)
    assert (found["subtotal"], found["tax"], found["total"]) == ("3080.00", "298.00", "3378.00")
    assert found["balance"] == "3378.00"
    assert found["taxrate"] == "10.000"
    assert found["transactions"] == ""
    assert found["datepaid"] == "0000-00-00 00:00:00"


def test_a_partial_payment_leaves_the_invoice_unpaid_and_the_rest_pays_it(whmcs: Whmcs) -> None:
    number = invoice_of(whmcs)["invoiceid"]
    whmcs.call("AddInvoicePayment", invoiceid=number, transid="a", gateway="mailin", amount="1000.00")
    half = whmcs.call("GetInvoice", invoiceid=number)
    assert (half["status"], half["balance"]) == ("Unpaid", "2278.00")
    whmcs.call("AddInvoicePayment", invoiceid=number, transid="b", gateway="mailin")
    paid = whmcs.call("GetInvoice", invoiceid=number)
    assert (paid["status"], paid["balance"]) == ("Paid", "0.00")
    assert [each["transid"] for each in paid["transactions"]["transaction"]] == ["a", "b"]
    assert whmcs.call("GetTransactions", invoiceid=number)["totalresults"] == 2


def test_what_is_paid_too_much_becomes_credit_that_can_be_applied(whmcs: Whmcs) -> None:
    first, second = invoice_of(whmcs)["invoiceid"], invoice_of(whmcs)["invoiceid"]
    whmcs.call("AddInvoicePayment", invoiceid=first, transid="a", gateway="mailin", amount="4278.00")
    assert whmcs.call("GetClientsDetails", clientid=1001)["client"]["credit"] == "1000.00"
    too_much = whmcs.refusal("ApplyCredit", invoiceid=second, amount="1000.01")
    assert too_much == "Amount exceeds customer credit balance"
    applied = whmcs.call("ApplyCredit", invoiceid=second, amount="full")
    assert (applied["amount"], applied["invoicepaid"]) == ("1000.00", "false")
    assert whmcs.call("GetInvoice", invoiceid=second)["balance"] == "2278.00"
    whmcs.call("AddCredit", clientid=1001, description="Goodwill", amount="2278")
    assert whmcs.call("ApplyCredit", invoiceid=second, amount="2278.00")["invoicepaid"] == "true"


def test_the_card_on_file_is_charged_only_for_an_unpaid_invoice(whmcs: Whmcs) -> None:
    number = invoice_of(whmcs)["invoiceid"]
    whmcs.call("CapturePayment", invoiceid=number)
    assert whmcs.call("GetInvoice", invoiceid=number)["status"] == "Paid"
    assert whmcs.refusal("CapturePayment", invoiceid=number) == "Invoice Not Found or Not Unpaid"
    without_card = whmcs.call("CreateInvoice", userid=1004, itemdescription1="SIM", itemamount1="1", itemtaxed1=0)
    assert whmcs.refusal("CapturePayment", invoiceid=without_card["invoiceid"]) == "Payment Attempt Failed"


def test_a_cancelled_invoice_takes_no_payment(whmcs: Whmcs) -> None:
    number = invoice_of(whmcs)["invoiceid"]
    whmcs.call("UpdateInvoice", invoiceid=number, status="Cancelled")
    refused = whmcs.refusal("AddInvoicePayment", invoiceid=number, transid="a", gateway="mailin")
    assert refused == "It is not possible to add a payment to an invoice that is Cancelled"


def test_lines_change_only_with_description_amount_and_taxed_together(whmcs: Whmcs) -> None:
    found = invoice_of(whmcs)
    line = found["items"]["item"][0]["id"]  # type: ignore[index]
    refused = whmcs.refusal("UpdateInvoice", invoiceid=found["invoiceid"], itemamount={line: "5.00"})
    assert refused.startswith("Missing Variables")
    changes = {"itemdescription": {line: "Less"}, "itemamount": {line: "1000"}, "itemtaxed": {line: "1"}}
    whmcs.call("UpdateInvoice", invoiceid=found["invoiceid"], **changes)
    assert whmcs.call("GetInvoice", invoiceid=found["invoiceid"])["total"] == "1100.00"


def test_overdue_is_a_filter_never_a_status(whmcs: Whmcs) -> None:
    rows = whmcs.call("GetInvoices", status="Overdue", limitnum=100)["invoices"]["invoice"]
    assert rows
    assert {row["status"] for row in rows} == {"Unpaid"}
    assert "items" not in rows[0]
    assert "balance" not in rows[0]


def test_every_seeded_invoice_adds_up(whmcs: Whmcs, control: httpx.Client) -> None:
    records = control.get("/whmcs/invoices").json()["records"]
    assert len(records) > 500
    for each in records:
        assert float(each["subtotal"]) * 1.1 == pytest.approx(float(each["total"]))
        assert float(each["balance"]) == (0 if each["status"] == "Paid" else float(each["total"]))


def test_the_daily_run_bills_what_has_no_invoice_yet_and_only_once(whmcs: Whmcs, control: httpx.Client) -> None:
    control.post("/whmcs/cron")
    order = whmcs.call(
        "AddOrder",
        clientid=1001,
        paymentmethod="mailin",
        pid=[302, 333],
        billingcycle=["monthly", "onetime"],
        noinvoice=1,
    )
    assert control.post("/whmcs/cron").json()["invoices"] == []
    whmcs.call("AcceptOrder", orderid=order["orderid"])
    [made] = control.post("/whmcs/cron").json()["invoices"]
    found = whmcs.call("GetInvoice", invoiceid=made["id"])
    assert [line["amount"] for line in found["items"]["item"]] == ["1480.00", "1500.00"]
    assert [str(line["relid"]) for line in found["items"]["item"]] == order["serviceids"].split(",")
    assert found["total"] == "3278.00"
    assert control.post("/whmcs/cron").json()["invoices"] == []


def test_a_month_later_the_recurring_part_is_billed_again(whmcs: Whmcs, control: httpx.Client) -> None:
    control.post("/whmcs/cron")
    order = whmcs.call(
        "AddOrder",
        clientid=1001,
        paymentmethod="mailin",
        pid=[302, 333],
        billingcycle=["monthly", "onetime"],
        noinvoice=1,
    )
    whmcs.call("AcceptOrder", orderid=order["orderid"])
    control.post("/whmcs/cron", json={"client_id": 1001})
    control.put("/clock", json={"advance_seconds": 32 * 86_400})
    made = [each["id"] for each in control.post("/whmcs/cron", json={"client_id": "1001"}).json()["invoices"]]
    wanted = order["serviceids"].split(",")
    lines = [line for each in made for line in whmcs.call("GetInvoice", invoiceid=each)["items"]["item"]]
    assert [line["amount"] for line in lines if str(line["relid"]) in wanted] == ["1480.00"]


def test_an_upgrade_is_priced_first_and_takes_effect_when_its_invoice_is_paid(
    whmcs: Whmcs, control: httpx.Client
) -> None:
    service = next(
        each
        for each in control.get("/whmcs/services").json()["records"]
        if each["pid"] in (181, 182) and each["status"] == "Active"
    )
    ask = {"serviceid": service["id"], "type": "product", "paymentmethod": "mailin", "newproductid": 183}
    quote = whmcs.call("UpgradeProduct", **ask, calconly=1)
    assert quote["price"].startswith("¥")
    assert "invoiceid" not in quote
    done = whmcs.call("UpgradeProduct", **ask)
    assert control.get(f"/whmcs/services/{service['id']}").json()["pid"] == service["pid"]
    assert whmcs.refusal("UpgradeProduct", **ask).startswith("Unable to accept upgrade order.")
    whmcs.call("AddInvoicePayment", invoiceid=done["invoiceid"], transid="u", gateway="mailin")
    assert control.get(f"/whmcs/services/{service['id']}").json()["pid"] == 183


def test_a_card_is_charged_through_a_gateway_for_cards_alone(whmcs: Whmcs) -> None:
    number = invoice_of(whmcs, paymentmethod="mailin")["invoiceid"]
    assert not whmcs.call("GetInvoice", invoiceid=number)["ccgateway"]
    assert whmcs.refusal("CapturePayment", invoiceid=number) == "Payment Attempt Failed"
    whmcs.call("UpdateInvoice", invoiceid=number, paymentmethod="stripe")
    assert whmcs.call("GetInvoice", invoiceid=number)["ccgateway"]
    whmcs.call("CapturePayment", invoiceid=number)


def test_staff_give_a_payment_back_in_part_or_whole(whmcs: Whmcs, control: httpx.Client) -> None:
    number = invoice_of(whmcs)["invoiceid"]
    assert control.post(f"/whmcs/invoices/{number}/refund").status_code == 409
    whmcs.call("CapturePayment", invoiceid=number)
    control.post(f"/whmcs/invoices/{number}/refund", json={"amount": "1000"}).raise_for_status()
    found = whmcs.call("GetInvoice", invoiceid=number)
    [paid, back] = found["transactions"]["transaction"]
    assert (found["status"], back["amountout"], back["refundid"]) == ("Paid", "1000.00", paid["id"])
    control.post(f"/whmcs/invoices/{number}/refund").raise_for_status()
    assert whmcs.call("GetInvoice", invoiceid=number)["status"] == "Refunded"


def test_a_client_has_a_currency_and_its_invoices_are_in_it(whmcs: Whmcs, control: httpx.Client) -> None:
    control.patch("/whmcs/clients/1001", json={"currency": "USD"}).raise_for_status()
    assert whmcs.call("GetClientsDetails", clientid=1001)["client"]["currency_code"] == "USD"
    rows = whmcs.call("GetInvoices", userid=1001)["invoices"]["invoice"]
    assert {row["currencycode"] for row in rows} == {"USD"}
    assert {each["code"] for each in whmcs.call("GetCurrencies")["currencies"]["currency"]} == {"JPY", "USD"}
