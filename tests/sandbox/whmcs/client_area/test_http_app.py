"""The client area: a link from single sign-on opens a page once; bills are paid and cards are added there."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.sandbox.conftest import Receiver, SandboxProcess, Whmcs, browser

INVOICE_PAGE = "viewinvoice.php?id={}"
METHODS_PAGE = "index.php/account/paymentmethods"


@pytest.fixture
def person(sandbox_process: SandboxProcess, whmcs: Whmcs) -> Iterator[httpx.Client]:
    """A browser, not logged in."""
    with browser(sandbox_process, "whmcs", follow_redirects=True) as client:
        yield client


def link(whmcs: Whmcs, path: str, client: int = 1001) -> str:
    """Return a single sign-on link to a page."""
    answer = whmcs.call("CreateSsoToken", client_id=client, destination="sso:custom_redirect", sso_redirect_path=path)
    assert re.fullmatch(r"[0-9a-f]{40}", answer["access_token"])
    return str(answer["redirect_url"])


def bill(whmcs: Whmcs, client: int = 1001) -> str:
    made = whmcs.call("CreateInvoice", userid=client, itemdescription1="SIM", itemamount1="2980", itemtaxed1=1)
    return str(made["invoiceid"])


def test_a_link_opens_its_page_and_works_once_only(
    whmcs: Whmcs, person: httpx.Client, sandbox_process: SandboxProcess
) -> None:
    number = bill(whmcs)
    url = link(whmcs, INVOICE_PAGE.format(number))
    page = person.get(url)
    assert page.status_code == 200
    assert page.url.path == "/viewinvoice.php"
    assert f"Invoice #{number}" in page.text
    assert "3,278" in page.text
    with browser(sandbox_process, "whmcs", follow_redirects=True) as thief:
        stolen = thief.get(url)
    assert stolen.status_code == 403
    assert "used already or has expired" in stolen.text


def test_a_link_dies_after_a_minute(whmcs: Whmcs, person: httpx.Client, control: httpx.Client) -> None:
    url = link(whmcs, METHODS_PAGE)
    control.put("/clock", json={"advance_seconds": 61})
    assert person.get(url).status_code == 403


def test_the_cookie_is_not_for_scripts_nor_for_plain_http(whmcs: Whmcs, sandbox_process: SandboxProcess) -> None:
    with browser(sandbox_process, "whmcs") as client:
        answer = client.get(link(whmcs, METHODS_PAGE))
    assert answer.status_code == 302
    assert answer.headers["location"] == f"/{METHODS_PAGE}"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "secure" in cookie


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"client_id": 7}, "Invalid client_id"),
        ({}, "A valid client_id or user_id is required"),
        ({"client_id": 1001, "destination": "clientarea:moon"}, "Invalid destination"),
        (
            {"client_id": 1001, "destination": "sso:custom_redirect", "sso_redirect_path": "//evil.example"},
            "Token could not be provisioned: a relative sso_redirect_path is required",
        ),
        (
            {"client_id": 1001, "destination": "sso:custom_redirect", "sso_redirect_path": "https://evil.example"},
            "Token could not be provisioned: a relative sso_redirect_path is required",
        ),
    ],
)
def test_a_token_is_refused_for_nobody_and_for_nowhere(whmcs: Whmcs, params: dict[str, object], message: str) -> None:
    assert whmcs.refusal("CreateSsoToken", **params) == message


def test_an_invoice_is_paid_on_its_page_with_the_card_on_file(
    whmcs: Whmcs, person: httpx.Client, receiver: Receiver
) -> None:
    number = bill(whmcs)
    page = person.get(link(whmcs, INVOICE_PAGE.format(number)))
    assert 'name="pay"' in page.text
    done = person.post(str(page.url), data={"pay": "1"})
    assert "your payment was received" in done.text
    assert 'name="pay"' not in done.text
    assert whmcs.call("GetInvoice", invoiceid=number)["status"] == "Paid"
    assert [each["event"] for each in receiver.wait(4)][-1] == "InvoicePaid"


def test_without_a_card_on_file_a_number_is_asked_for_and_is_not_kept(whmcs: Whmcs, person: httpx.Client) -> None:
    number = bill(whmcs, 1004)
    page = person.get(link(whmcs, INVOICE_PAGE.format(number), 1004))
    assert "no card on file" in person.post(str(page.url), data={"pay": "1"}).text
    declined = person.post(str(page.url), data={"pay": "1", "card_number": "4000 0000 0000 0002"})
    assert "declined" in declined.text
    assert whmcs.call("GetInvoice", invoiceid=number)["status"] == "Unpaid"
    assert "received" in person.post(str(page.url), data={"pay": "1", "card_number": "4242424242424242"}).text
    assert whmcs.call("GetPayMethods", clientid=1004)["paymethods"] == []


def test_nobody_sees_another_clients_invoice(whmcs: Whmcs, person: httpx.Client) -> None:
    foreign = bill(whmcs, 1002)
    page = person.get(link(whmcs, INVOICE_PAGE.format(foreign), 1001))
    assert page.status_code == 404
    assert person.get("/viewinvoice.php?id=abc").status_code == 404


def test_a_page_without_a_session_says_to_come_from_the_portal(person: httpx.Client) -> None:
    page = person.get(f"/{METHODS_PAGE}")
    assert page.status_code == 403
    assert "from the portal" in page.text


def test_a_card_is_added_on_the_page_and_only_brand_last_four_and_expiry_stay(
    whmcs: Whmcs, person: httpx.Client, receiver: Receiver, control: httpx.Client
) -> None:
    page = person.get(link(whmcs, METHODS_PAGE, 1004))
    assert "No payment method is on file" in page.text
    assert "as MM/YY" in person.post(str(page.url), data={"card_number": "4242424242424242", "expiry": "13/30"}).text
    done = person.post(str(page.url), data={"card_number": "5555 5555 5555 4444", "expiry": "12/30"})
    assert "MasterCard ending in 4444" in done.text
    [card] = whmcs.call("GetPayMethods", clientid=1004)["paymethods"]
    assert (card["card_type"], card["card_last_four"], card["expiry_date"]) == ("MasterCard", "4444", "12/30")
    assert "555555" not in control.get(f"/whmcs/pay-methods/{card['id']}").text
    assert receiver.wait(1)[0]["event"] == "CCUpdate"


def test_the_overview_shows_invoices_and_services_by_id(whmcs: Whmcs, person: httpx.Client) -> None:
    number = bill(whmcs)
    home = person.get(whmcs.call("CreateSsoToken", client_id=1001)["redirect_url"])
    assert home.url.path == "/clientarea.php"
    assert f"#{number}" in home.text


def test_names_cannot_smuggle_markup_into_a_page(whmcs: Whmcs, person: httpx.Client) -> None:
    made = whmcs.call("CreateInvoice", userid=1001, itemdescription1="<script>x</script>", itemamount1="1")
    page = person.get(link(whmcs, INVOICE_PAGE.format(made["invoiceid"])))
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


def test_several_invoices_are_paid_by_one_bill_that_collects_them(whmcs: Whmcs, person: httpx.Client) -> None:
    numbers, foreign = [bill(whmcs), bill(whmcs)], bill(whmcs, 1002)
    wanted = "&".join(f"invoiceids%5B%5D={each}" for each in (*numbers, foreign))
    page = person.get(link(whmcs, f"clientarea.php?action=masspay&{wanted}"))
    assert all(f"#{each}" in page.text for each in numbers)
    assert f"#{foreign}" not in page.text
    collected = person.post(str(page.url), data={"geninvoice": "true"})
    assert collected.url.path == "/viewinvoice.php"
    whole = whmcs.call("GetInvoice", invoiceid=collected.url.params["id"])
    assert [(each["type"], str(each["relid"])) for each in whole["items"]["item"]] == [
        ("Invoice", number) for number in numbers
    ]
    assert whole["balance"] == "6556.00"
    assert "received" in person.post(str(collected.url), data={"pay": "1"}).text
    for number in numbers:
        paid = whmcs.call("GetInvoice", invoiceid=number)
        assert (paid["status"], paid["credit"], paid["balance"], paid["transactions"]) == (
            "Paid",
            "3278.00",
            "0.00",
            "",
        )
    assert whmcs.call("GetInvoice", invoiceid=foreign)["status"] == "Unpaid"
    assert f"#{whole['invoiceid']}" not in person.get("/clientarea.php").text


def test_an_invoice_is_downloaded_as_a_pdf_by_its_owner(whmcs: Whmcs, person: httpx.Client) -> None:
    number, foreign = bill(whmcs), bill(whmcs, 1002)
    found = person.get(link(whmcs, f"dl.php?type=i&id={number}"))
    assert found.headers["content-type"] == "application/pdf"
    assert found.content.startswith(b"%PDF-")
    assert f"Invoice #{number}".encode() in found.content
    assert person.get(f"/dl.php?type=i&id={foreign}").status_code == 404
