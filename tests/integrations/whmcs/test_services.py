"""Running services in WHMCS's dialect: prices written for people, requests to cancel, add-ons."""

from decimal import Decimal

import pytest
import pytest_asyncio

from app.errors import OutcomeUnknown, UpstreamMalformed, UpstreamNotFound, UpstreamRejected
from app.integrations.whmcs import cancellations, services, upgrades
from app.integrations.whmcs.client import WhmcsClient
from app.integrations.whmcs.upgrades import Upgrade
from tests.integrations.conftest import settings
from tests.integrations.scripted import Reply

WISH = Upgrade(service_id="55", product_id="502", billing_cycle="monthly", payment_method="stripe")
QUOTE = {
    "result": "success",
    "oldproductid": 501,
    "newproductid": "502",
    "daysuntilrenewal": "10",
    "totaldays": 31,
    "price": "¥323 JPY",
    "upgradeinprogress": 0,
}


@pytest_asyncio.fixture
async def whmcs(upstream):
    made = await WhmcsClient.open(
        settings(whmcs_url=upstream.url, whmcs_read_timeout_seconds=1.2, whmcs_write_timeout_seconds=1.2)
    )
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("shown", "amount"),
    [
        ("¥323 JPY", "323.00"),
        ("¥1,234 JPY", "1234.00"),
        ("¥-1,234 JPY", "-1234.00"),
        ("$-8.67 USD", "-8.67"),
        ("-$8.67 USD", "-8.67"),
        ("$1,234.50 USD", "1234.50"),
        ("1.234,50 €", "1234.50"),
        ("€ 1.234", "1234.00"),
        ("0.00", "0.00"),
        ("¥0 JPY", "0.00"),
    ],
)
async def test_a_price_is_read_however_it_is_written(whmcs, upstream, shown, amount):
    upstream.will(Reply({**QUOTE, "price": shown}))
    assert (await upgrades.quote(whmcs, WISH)).due_now == Decimal(amount)


async def test_a_quote_changes_nothing_and_says_so(whmcs, upstream):
    upstream.will(Reply({**QUOTE, "upgradeinprogress": "1"}))
    found = await upgrades.quote(whmcs, WISH)
    assert (found.product_id, found.days_left, found.days_in_cycle, found.in_progress) == ("502", 10, 31, True)
    (form,) = upstream.forms()
    assert (form["action"], form["calconly"], form["type"]) == ("UpgradeProduct", "1", "product")
    assert (form["newproductid"], form["newproductbillingcycle"]) == ("502", "monthly")


async def test_a_quote_without_a_price_is_malformed(whmcs, upstream):
    for price in ("free", ""):
        upstream.will(Reply({**QUOTE, "price": price}))
        with pytest.raises(UpstreamMalformed):
            await upgrades.quote(whmcs, WISH)


@pytest.mark.parametrize(("invoice", "expected"), [(77, "77"), ("77", "77"), (None, None), (0, None), ("", None)])
async def test_an_upgrade_is_sent_once_and_bills_or_does_not(whmcs, upstream, invoice, expected):
    upstream.will(Reply({**QUOTE, "id": 3, "orderid": 9, "invoiceid": invoice}))
    done = await upgrades.upgrade(whmcs, WISH)
    assert (done.order_id, done.invoice_id) == ("9", expected)
    assert "calconly" not in upstream.forms()[0]


@pytest.mark.parametrize("reply", [Reply(drop=True), Reply(hang=2), Reply("<html>", 500), Reply("<b>Notice</b>{}")])
async def test_a_doubtful_upgrade_or_cancellation_is_sent_once_and_left_open(whmcs, upstream, reply):
    upstream.will(reply)
    with pytest.raises(OutcomeUnknown):
        await upgrades.upgrade(whmcs, WISH)
    with pytest.raises(OutcomeUnknown):
        await cancellations.request_cancellation(whmcs, "55", "Immediate", "")
    assert len(upstream.asked) == 2


@pytest.mark.parametrize(
    ("message", "kind", "code"),
    [
        (
            "Unable to accept upgrade order. Previous upgrade invoice for service is still unpaid.",
            UpstreamRejected,
            "upgrade_unpaid",
        ),
        ("Existing Cancellation Request Exists", UpstreamRejected, "cancellation_exists"),
        ("Service ID Not Found", UpstreamNotFound, "absent"),
        ("Invalid Upgrade Type", UpstreamRejected, ""),
    ],
)
async def test_refusals_are_distinguished_by_their_sentence(whmcs, upstream, message, kind, code):
    upstream.will(Reply({"result": "error", "message": message}))
    with pytest.raises(kind) as refused:
        await upgrades.upgrade(whmcs, WISH)
    assert (type(refused.value), refused.value.vendor_code) == (kind, code)


async def test_of_several_requests_for_a_service_the_latest_counts_and_reasons_stay_outside(whmcs, upstream):
    rows = [
        {"id": "12", "relid": "55", "type": "End of Billing Period", "date": "2026-02-01 10:00:00", "reason": "B"},
        {"id": "9", "relid": "55", "type": "Immediate", "date": "2026-01-01 10:00:00", "reason": "A"},
        {"id": "10", "relid": 60, "type": "Immediate", "date": "0000-00-00 00:00:00", "reason": "C"},
    ]
    upstream.will(Reply({"result": "success", "totalresults": 3, "packages": {"package": rows}}))
    found = {each.record_id: each for each in await cancellations.requests(whmcs)}
    assert found["55"].data == {"type": "End of Billing Period", "date": "2026-02-01 10:00:00"}
    assert found["60"].data == {"type": "Immediate", "date": None}
    assert (found["55"].parent_id, found["55"].owner_id) == ("55", None)
    assert await cancellations.reason_of(whmcs, "55") == "B"
    assert await cancellations.reason_of(whmcs, "56") is None


def listed(upstream, rows):
    def page(asked):
        start, size = int(asked.form["limitstart"]), int(asked.form["limitnum"])
        return Reply(
            {"result": "success", "totalresults": len(rows), "packages": {"package": rows[start : start + size]}}
        )

    upstream.will().answer = page


@pytest.mark.parametrize("newest_first", [False, True])
async def test_with_ten_thousand_known_requests_a_new_one_costs_a_call_or_three(whmcs, upstream, newest_first):
    rows = [
        {"id": number, "relid": number + 7, "type": "Immediate", "date": "2026-02-01 10:00:00", "reason": f"r{number}"}
        for number in range(1, 10_002)
    ]
    known = {(str(number + 7), "Immediate", "2026-02-01 10:00:00") for number in range(1, 10_001)}
    listed(upstream, rows[::-1] if newest_first else rows)
    found = await cancellations.requests(whmcs, known)
    assert "10008" in {each.record_id for each in found}
    assert not found.complete
    assert len(upstream.asked) <= 3
    listed(upstream, rows[::-1] if newest_first else rows)
    assert await cancellations.reason_of(whmcs, "10000") == "r9993"
    assert len(upstream.asked) <= 2
    whole = await cancellations.requests(whmcs)
    assert (len(whole), whole.complete) == (10_001, True)


async def test_a_request_that_cannot_be_read_spoils_no_other(whmcs, upstream):
    rows = [{"id": 1, "relid": 7, "type": "Immediate", "date": "-0001-11-30"}, {"id": 2, "relid": "x"}]
    listed(upstream, rows)
    found = await cancellations.requests(whmcs)
    assert ([each.record_id for each in found], found.complete) == (["7"], False)
    assert found[0].data["date"] is None


async def test_add_ons_hang_on_their_service_and_a_strangers_never_passes(whmcs, upstream):
    row = {
        "id": 7,
        "userid": 1001,
        "serviceid": 55,
        "name": "Backup &amp; restore",
        "recurring": "500.00",
        "billingcycle": "Monthly",
        "status": "Active",
        "regdate": "2026-01-01",
        "nextduedate": "0000-00-00",
        "notes": "called twice",
    }
    upstream.will(Reply({"result": "success", "addons": {"addon": [row, {**row, "id": 8, "userid": 1002}]}}))
    (found,) = await services.addons(whmcs, "1001")
    assert (found.record_id, found.parent_id, found.owner_id) == ("7", "55", "1001")
    assert found.data["name"] == "Backup & restore"
    assert (found.data["recurringamount"], found.data["nextduedate"]) == ("500.00", None)
    assert "notes" not in found.data
    upstream.will(Reply({"result": "success", "totalresults": 0, "addons": ""}))
    assert await services.addons(whmcs, "1001") == []


async def test_the_login_name_is_that_of_exactly_this_service(whmcs, upstream):
    rows = [{"id": 54, "username": "other"}, {"id": 55, "username": "cabc", "password": "hunter2"}]
    upstream.will(Reply({"result": "success", "products": {"product": rows}}))
    assert await services.login_name(whmcs, "55") == "cabc"
    assert await services.login_name(whmcs, "56") == ""


async def test_a_status_is_set_with_its_reason_or_the_reason_is_taken_away(whmcs, upstream):
    upstream.will(Reply({"result": "success", "serviceid": "55"}))
    await services.set_status(whmcs, "55", services.SUSPENDED, "Overdue on Payment")
    await services.set_status(whmcs, "55", services.ACTIVE)
    first, second = upstream.forms()
    assert (first["status"], first["suspendreason"]) == ("Suspended", "Overdue on Payment")
    assert (second["status"], second["unset[0]"]) == ("Active", "suspendreason")
