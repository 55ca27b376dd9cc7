"""The WHMCS calls: whole lists, nobody else's records, marks to find orders by."""

import pytest

from app.errors import (
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamUnavailable,
)
from app.intake import unreadable
from app.integrations.whmcs import lists
from app.integrations.whmcs.users import Login
from tests.integrations.scripted import Reply
from tests.integrations.whmcs.answers import ORDER, PERSON, refused, success


def service(number, client="1001"):
    return {"id": str(number), "clientid": client, "orderid": "1", "pid": "181", "status": "Active"}


async def test_every_page_is_read_though_the_install_gives_fewer_rows_than_asked(whmcs, upstream):
    rows = [service(number) for number in range(1, 61)]

    def page(asked):
        start = int(asked.form["limitstart"])
        return success(totalresults="60", products={"product": rows[start : start + 25]})

    upstream.will().answer = page
    found = await whmcs.services("1001")
    assert [each.record_id for each in found] == [str(number) for number in range(1, 61)]
    assert [form["limitstart"] for form in upstream.forms()] == ["0", "25", "50"]


async def test_a_list_that_never_ends_is_given_up(whmcs, upstream, monkeypatch):
    monkeypatch.setattr(lists, "MOST_ROWS", 2_000)

    def page(asked):
        start = int(asked.form["limitstart"])
        return success(products={"product": [service(number) for number in range(start + 1, start + 101)]})

    upstream.will().answer = page
    with pytest.raises(UpstreamMalformed):
        await whmcs.services("1001")
    assert len(upstream.asked) == 21


async def test_a_list_has_a_deadline_as_a_whole(whmcs, upstream, monkeypatch):
    monkeypatch.setattr(lists, "LIST_SECONDS", 0.5)

    def page(asked):
        start = int(asked.form["limitstart"])
        return Reply({"result": "success", "products": {"product": [service(start + 1)]}}, hang=0.1)

    upstream.will().answer = page
    with pytest.raises(UpstreamUnavailable):
        await whmcs.services("1001")


async def test_a_list_of_more_than_ten_thousand_rows_is_read(whmcs, upstream):
    def page(asked):
        start = int(asked.form["limitstart"])
        some = [service(number) for number in range(start + 1, min(start + 100, 10_001) + 1)]
        return success(totalresults=10_001, products={"product": some})

    upstream.will().answer = page
    found = await whmcs.services("1001")
    assert (len(found), found.complete) == (10_001, True)


def moving(upstream, rows, *, moves, counted=True):
    """After each of the first `moves` answers the first row is deleted."""
    left = [moves]

    def page(asked):
        start = int(asked.form["limitstart"])
        some = rows[start : start + 100]
        total = {"totalresults": len(rows)} if counted else {}
        if left[0]:
            left[0] -= 1
            del rows[0]
        return success(**total, products={"product": some})

    upstream.will().answer = page


async def test_a_list_whose_rows_moved_between_pages_is_read_again(whmcs, upstream):
    rows = [service(number) for number in range(1, 142)]
    moving(upstream, rows, moves=1)
    found = await whmcs.services("1001")
    assert [each.record_id for each in found] == [str(number) for number in range(2, 142)]
    assert found.complete


async def test_a_list_that_never_stands_still_proves_nobody_gone(whmcs, upstream):
    moving(upstream, [service(number) for number in range(1, 342)], moves=99)
    assert not (await whmcs.services("1001")).complete


async def test_a_row_that_comes_twice_means_that_rows_moved(whmcs, upstream):
    pages = {"0": [service(number) for number in range(1, 101)], "100": [service(100)]}

    def page(asked):
        return success(totalresults=101, products={"product": pages[asked.form["limitstart"]]})

    upstream.will().answer = page
    assert not (await whmcs.services("1001")).complete


async def test_an_install_that_ignores_where_to_start_gives_its_rows_once(whmcs, upstream):
    upstream.will(success(products={"product": [service(1), service(2)]}))
    found = await whmcs.services("1001")
    assert ([each.record_id for each in found], found.complete) == (["1", "2"], True)
    assert len(upstream.asked) == 2


async def test_a_row_that_cannot_be_read_is_left_out_and_known_to_be_there(whmcs, upstream):
    unreadable.taken()
    upstream.will(success(totalresults=2, products={"product": [service(1), {**service(2), "clientid": "x"}]}))
    found = await whmcs.services("1001")
    assert ([each.record_id for each in found], found.unread, found.complete) == (["1"], {"2"}, True)
    (counted,) = unreadable.taken()
    assert (counted.source, counted.object, counted.field, counted.record_id) == ("whmcs", "service", "record", "2")


@pytest.mark.parametrize("odd", ["text", 7, {"id": "x", "clientid": "1001"}, {"name": "x"}, ["x"], True])
async def test_a_row_without_a_readable_id_leaves_the_list_incomplete(whmcs, upstream, odd):
    upstream.will(success(totalresults=2, products={"product": [service(1), odd]}))
    found = await whmcs.services("1001")
    assert ([each.record_id for each in found], found.complete) == (["1"], False)


async def test_an_invoice_that_cannot_be_read_spoils_no_other(whmcs, upstream):
    def answer(asked):
        if asked.form["action"] == "GetInvoice" and asked.form["invoiceid"] == "3":
            return success(invoiceid=3, userid="nobody", total="5.00", transactions="", items="")
        return invoices(asked)

    upstream.will().answer = answer
    found = await whmcs.invoices("1001")
    assert ([each.record_id for each in found], found.unread) == (["1"], {"3"})


async def test_a_success_without_the_list_proves_nobody_gone(whmcs, upstream):
    upstream.will(success())
    assert not (await whmcs.services("1001")).complete
    assert not (await whmcs.pay_methods("1001")).complete
    upstream.will(success(totalresults=0))
    assert (await whmcs.services("1001")).complete


@pytest.mark.parametrize("instead", ["text", 7, True, 1.5])
async def test_something_else_in_the_place_of_the_list_is_malformed(whmcs, upstream, instead):
    upstream.will(success(products=instead))
    with pytest.raises(UpstreamMalformed):
        await whmcs.services("1001")


async def test_an_order_whose_notes_cannot_be_read_might_be_the_one_looked_for(whmcs, upstream):
    other = {"id": 4, "userid": "1001", "notes": "sfOrderId=801B", "lineitems": "x", "status": []}
    upstream.will(success(totalresults=1, orders={"order": [other]}))
    assert await whmcs.find_order("1001", "801A") is None
    upstream.will(success(totalresults=2, orders={"order": [other, {**other, "id": 5, "notes": ["x"]}]}))
    with pytest.raises(UpstreamMalformed):
        await whmcs.find_order("1001", "801A")


async def test_a_filter_that_was_ignored_lets_nobody_elses_record_through(whmcs, upstream):
    upstream.will(success(totalresults=2, products={"product": [service(1, "2002"), service(2, "1001")]}))
    assert [each.record_id for each in await whmcs.services("1001")] == ["2"]
    assert (await whmcs.service("2")).record_id == "2"
    with pytest.raises(UpstreamNotFound):
        await whmcs.service("3")
    upstream.will(success(client={"id": 2002, "email": "b@example.com"}))
    with pytest.raises(UpstreamMalformed):
        await whmcs.client("1001")
    assert await whmcs.client_id_by_email("a@example.com") is None
    upstream.will(success(clientid="2002", paymethods=[{"id": 1}]))
    with pytest.raises(UpstreamMalformed):
        await whmcs.pay_methods("1001")
    marked = {"id": "1", "userid": "2002", "status": "Pending", "notes": "sfOrderId=801A", "invoiceid": "0"}
    upstream.will(success(totalresults=1, orders={"order": [marked]}))
    assert await whmcs.find_order("1001", "801A") is None


async def test_a_record_without_an_id_is_malformed_not_a_crash(whmcs, upstream):
    upstream.will(success(totalresults=1, products={"product": [{"name": "x"}]}))
    with pytest.raises(UpstreamMalformed):
        await whmcs.services("1001")


def invoices(asked):
    row = {"userid": "1001", "currencycode": "JPY"}
    if asked.form["action"] == "GetInvoices":
        rows = [{**row, "id": number} for number in (1, 2, 3)] + [{**row, "id": 4, "userid": "2002"}]
        return success(totalresults=4, invoices={"invoice": rows})
    if asked.form["action"] == "GetClientsDetails":
        return success(client={"id": 1001, "email": "a@example.com", "currency_code": "JPY"})
    if asked.form["invoiceid"] == "2":
        return refused("Invoice ID Not Found")
    return success(invoiceid=int(asked.form["invoiceid"]), userid=1001, total="100.00", transactions="", items="")


async def test_invoices_come_in_full_and_one_deleted_meanwhile_is_left_out(whmcs, upstream):
    upstream.will().answer = invoices
    found = await whmcs.invoices("1001")
    assert [(each.record_id, each.data["currencycode"]) for each in found] == [("1", "JPY"), ("3", "JPY")]


async def test_a_single_invoice_takes_its_currency_from_its_client(whmcs, upstream):
    upstream.will().answer = invoices
    assert (await whmcs.invoice("1")).data["currencycode"] == "JPY"
    with pytest.raises(UpstreamNotFound):
        await whmcs.invoice("2")


async def test_an_order_goes_out_marked_without_invoice_or_mail(whmcs, upstream):
    upstream.will(success(orderid=5, serviceids="7,8", invoiceid="0"))
    made = await whmcs.add_order(ORDER)
    assert (made.order_id, made.service_ids, made.invoice_id) == ("5", ("7", "8"), None)
    (form,) = upstream.forms()
    assert [form[name] for name in ("pid[0]", "pid[1]", "billingcycle[1]", "domain[0]", "domain[1]")] == [
        "181",
        "9",
        "onetime",
        "",
        "a.jp",
    ]
    assert form["notes"] == "sfOrderId=801000000000001AAA"
    assert (form["noinvoice"], form["noinvoiceemail"], form["noemail"]) == ("1", "1", "1")


async def test_an_order_is_found_again_by_its_mark(whmcs, upstream):
    lines = [{"type": "product", "relid": "7"}, {"type": "domain", "relid": "9"}]
    row = {"id": 5, "userid": "1001", "status": "Active", "invoiceid": "", "lineitems": {"lineitem": lines}}
    other = {"id": 4, "userid": "1001", "status": "Active", "notes": None}
    rows = {"order": [other, {**row, "notes": "sfOrderId=801A\nby phone"}]}
    upstream.will(success(totalresults=2, orders=rows))
    found = await whmcs.find_order("1001", "801A")
    assert found is not None
    assert (found.order_id, found.service_ids, found.status, found.invoice_id) == ("5", ("7",), "Active", None)
    assert await whmcs.find_order("1001", "801B") is None


async def test_accepting_says_outright_that_nothing_is_set_up_or_mailed(whmcs, upstream):
    upstream.will(success())
    await whmcs.accept_order("5")
    (form,) = upstream.forms()
    assert (form["orderid"], form["autosetup"], form["sendemail"]) == ("5", "0", "0")


async def test_a_client_is_added_with_its_customer_number_and_no_mail(whmcs, upstream):
    upstream.will(success(clientid=1301))
    assert await whmcs.add_client(PERSON) == "1301"
    (form,) = upstream.forms()
    assert (form["password2"], form["noemail"]) == ("a-long-random-one", "1")
    assert not {"password", "customer_number"} & set(form)


async def test_an_update_cannot_be_turned_to_another_client_by_a_field(whmcs, upstream):
    upstream.will(success(clientid=1001))
    await whmcs.update_client("1001", {"city": "Osaka", "clientid": "2002"})
    assert upstream.forms()[0]["clientid"] == "1001"


async def test_a_wrong_password_is_a_no_and_silence_is_not(whmcs, upstream):
    upstream.will(refused("Email or Password Invalid"))
    assert await whmcs.validate_login("a@example.com", "x") is None
    assert len(upstream.asked) == 1
    upstream.will(success(userid=1, twoFactorEnabled="true"))
    assert await whmcs.validate_login("a@example.com", "x") == Login("1", second_factor=True)
    upstream.will(Reply(hang=2))
    with pytest.raises(UpstreamUnavailable):
        await whmcs.validate_login("a@example.com", "x")
    assert len(upstream.asked) == 1


async def test_a_sign_on_link_without_an_address_is_malformed(whmcs, upstream):
    upstream.will(success(redirect_url="https://w/oauth/singlesignon.php?access_token=t"))
    link = await whmcs.sso_link("1001", destination="sso:custom_redirect", path="viewinvoice.php?id=1")
    assert link.endswith("access_token=t")
    assert upstream.forms()[0]["sso_redirect_path"] == "viewinvoice.php?id=1"
    upstream.will(success(access_token="t"))
    with pytest.raises(UpstreamMalformed):
        await whmcs.sso_link("1001", destination="clientarea:invoices")


async def test_gateways_and_pay_methods_may_be_none(whmcs, upstream):
    upstream.will(success(paymentmethods="", paymethods="", clientid="1001"))
    assert await whmcs.gateways() == []
    assert await whmcs.pay_methods("1001") == []
