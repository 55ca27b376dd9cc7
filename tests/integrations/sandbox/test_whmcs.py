"""Every WHMCS call against the sandbox process, over TLS, in good and in bad times."""

import secrets

import pytest

from app.errors import OutcomeUnknown, UpstreamError, UpstreamNotFound, UpstreamRejected, UpstreamUnavailable
from app.integrations.whmcs.client import NewClient, NewServiceOrder, OrderLine

SALESFORCE_ORDER = "8015h0000000077AAA"


@pytest.fixture
def customer(sandbox):
    return sandbox.customer(with_whmcs=True)


def new_client(email):
    return NewClient(
        email=email,
        password=secrets.token_hex(16),
        firstname="Hanako",
        lastname="Sato",
        phonenumber="03-1234-5678",
        address1="1-2-3",
        address2="",
        city="Shibuya",
        state="Tokyo",
        postcode="150-0002",
        country="JP",
        customer_number="C-900001",
    )


def order_for(client_id, salesforce_order_id=SALESFORCE_ORDER, pid="181"):
    return NewServiceOrder(
        whmcs_client_id=client_id,
        salesforce_order_id=salesforce_order_id,
        lines=[OrderLine(pid=pid, billing_cycle="monthly")],
        payment_method="mailin",
    )


async def test_a_client_is_read_by_id_and_by_address(whmcs, customer):
    found = await whmcs.client(customer["whmcs_client_id"])
    assert found.data["email"] == customer["email"]
    assert found.data["customer_number"] == customer["customer_number"]
    assert await whmcs.client_id_by_email(customer["email"].upper()) == customer["whmcs_client_id"]
    assert await whmcs.client_id_by_email("nobody@example.com") is None
    with pytest.raises(UpstreamNotFound):
        await whmcs.client("999999")


async def test_a_client_is_added_changed_and_not_added_twice(whmcs, sandbox):
    email = f"{secrets.token_hex(6)}@example.com"
    client_id = await whmcs.add_client(new_client(email))
    await whmcs.update_client(client_id, {"city": "大阪 & 京都"})
    found = await whmcs.client(client_id)
    assert (found.data["city"], found.data["customer_number"]) == ("大阪 & 京都", "C-900001")
    with pytest.raises(UpstreamRejected) as refused:
        await whmcs.add_client(new_client(email))
    assert refused.value.vendor_code == "email_taken"


async def test_everything_a_client_has_is_theirs(whmcs, customer):
    client_id = customer["whmcs_client_id"]
    invoices, services = await whmcs.invoices(client_id), await whmcs.services(client_id)
    assert invoices
    assert {each.owner_id for each in [*invoices, *services]} == {client_id}
    one = await whmcs.invoice(invoices[0].record_id)
    assert one == invoices[0]
    assert one.data["currencycode"] == "JPY"
    if services:
        assert await whmcs.service(services[0].record_id) == services[0]
    for method in await whmcs.pay_methods(client_id):
        assert (method.object, method.owner_id) == ("pay_method", client_id)
    assert "mailin" in {each.record_id for each in await whmcs.gateways()}


async def test_no_secret_of_whmcs_is_in_any_record(whmcs, customer):
    client_id = customer["whmcs_client_id"]
    records = [*await whmcs.services(client_id), *await whmcs.pay_methods(client_id), await whmcs.client(client_id)]
    keys = {key for record in records for key in record.data}
    assert not keys & {"password", "username", "remote_token", "notes", "securityqans", "ns1", "serverip"}


async def test_an_order_is_added_found_accepted_and_not_accepted_twice(whmcs, customer):
    client_id = customer["whmcs_client_id"]
    assert await whmcs.find_order(client_id, SALESFORCE_ORDER) is None
    added = await whmcs.add_order(order_for(client_id))
    assert len(added.service_ids) == 1
    found = await whmcs.find_order(client_id, SALESFORCE_ORDER)
    assert found is not None
    assert (found.order_id, found.service_ids, found.status) == (added.order_id, added.service_ids, "Pending")
    await whmcs.accept_order(added.order_id)
    again = await whmcs.find_order(client_id, SALESFORCE_ORDER)
    assert again is not None
    assert again.status == "Active"
    with pytest.raises(UpstreamRejected) as refused:
        await whmcs.accept_order(added.order_id)
    assert refused.value.vendor_code == "not_pending"


async def test_an_order_that_was_done_and_not_answered_is_found_by_its_mark(whmcs, customer, sandbox):
    client_id = customer["whmcs_client_id"]
    await sandbox.fault("whmcs", "timeout_after_write", "AddOrder")
    with pytest.raises(OutcomeUnknown):
        await whmcs.add_order(order_for(client_id))
    assert await whmcs.find_order(client_id, SALESFORCE_ORDER) is not None
    assert [call["operation"] for call in await sandbox.calls("whmcs")].count("AddOrder") == 1


async def test_a_sign_on_link_leads_to_whmcs(whmcs, customer, upstreams):
    link = await whmcs.sso_link(
        customer["whmcs_client_id"], destination="sso:custom_redirect", path="viewinvoice.php?id=1"
    )
    assert link.startswith(f"{upstreams.whmcs_url}/oauth/singlesignon.php?access_token=")
    with pytest.raises(UpstreamError):
        await whmcs.sso_link("999999", destination="clientarea:invoices")


async def test_a_password_is_checked(whmcs, customer):
    assert await whmcs.validate_login(customer["email"], customer["password"]) is not None
    assert await whmcs.validate_login(customer["email"], "wrong") is None


async def test_whmcs_being_down_is_unavailable_and_passes(whmcs, customer, sandbox):
    await sandbox.fault("whmcs", "down", count=10)
    with pytest.raises(UpstreamUnavailable):
        await whmcs.client(customer["whmcs_client_id"])
    with pytest.raises(UpstreamUnavailable):
        await whmcs.add_order(order_for(customer["whmcs_client_id"]))
    await sandbox.clear_faults()
    assert await whmcs.client(customer["whmcs_client_id"])


@pytest.mark.parametrize("kind", ["latency", "status", "empty", "timeout_after_write"])
async def test_a_doubtful_write_to_whmcs_is_never_repeated(whmcs, customer, sandbox, kind):
    await sandbox.fault("whmcs", kind, "AddOrder", seconds=2.0, status=500)
    with pytest.raises(OutcomeUnknown):
        await whmcs.add_order(order_for(customer["whmcs_client_id"]))
    assert [call["operation"] for call in await sandbox.calls("whmcs")].count("AddOrder") == 1


async def test_a_write_that_whmcs_calls_a_success_after_a_php_notice_is_one(whmcs, customer, sandbox):
    await sandbox.fault("whmcs", "garbage", "AddOrder")
    order = order_for(customer["whmcs_client_id"])
    made = await whmcs.add_order(order)
    assert (await whmcs.find_order(customer["whmcs_client_id"], order.salesforce_order_id)).order_id == made.order_id
    assert [call["operation"] for call in await sandbox.calls("whmcs")].count("AddOrder") == 1


@pytest.mark.parametrize("kind", ["status", "garbage", "down"])
async def test_a_read_survives_one_failure(whmcs, customer, sandbox, kind):
    await sandbox.fault("whmcs", kind, "GetClientsDetails", status=500)
    assert (await whmcs.client(customer["whmcs_client_id"])).record_id == customer["whmcs_client_id"]
