"""The Salesforce client, over TLS, against the stand-in and against an org that misbehaves."""

import asyncio
from dataclasses import replace

import pytest

from app.errors import (
    OutcomeUnknown,
    UpstreamAuthFailed,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamUnavailable,
)
from app.integrations.salesforce.client import Part, SalesforceClient, quote
from app.integrations.salesforce.wire import FIELDS
from tests.fixtures.salesforce_stand_in import account_id, new_key
from tests.integrations.salesforce.conftest import settings_of

SKU = "INTERNET-SILVER-HOME-1G"
PORTAL_FIELD = "Portal_Status__c"


def order_of(stand_in, number, key):
    entry = stand_in.entry(SKU)
    price = stand_in.org.get("PricebookEntry", entry)
    fields = {
        "AccountId": account_id(number),
        "EffectiveDate": "2026-02-01",
        "Status": "Pending Review",
        "Pricebook2Id": price["Pricebook2Id"],
        "Portal_Order_Key__c": key,
    }
    line = {"OrderId": "@{order.id}", "PricebookEntryId": entry, "Quantity": 1, "UnitPrice": 4800}
    return [Part("POST", "/sobjects/Order", "order", fields), Part("POST", "/sobjects/OrderItem", "item0", line)]


async def test_a_customer_number_finds_its_account_with_every_mirrored_field(client):
    account = await client.account_by_customer_number("C-000007")
    assert account is not None
    assert account["Id"] == account_id(7)
    assert set(account) == set(FIELDS["Account"])


@pytest.mark.parametrize("number", ["C-999999", "' OR Name != '", "C-000007' --", "\\"])
async def test_no_text_a_customer_types_escapes_its_quotes(client, number):
    assert await client.account_by_customer_number(number) is None


@pytest.mark.parametrize("name", sorted(FIELDS))
async def test_every_mirrored_field_can_be_read(client, name):
    if name in ("Case", "CaseComment"):  # the org begins without any
        case_id = await client.create("Case", {"AccountId": account_id(7), "Subject": "No signal"})
        await client.create("CaseComment", {"ParentId": case_id, "CommentBody": "Hello?"})
    (row,) = await client.query(f"SELECT {', '.join(FIELDS[name])} FROM {name} LIMIT 1")
    assert await client.get(name, row["Id"]) == row


async def test_a_query_follows_every_page(client, salesforce):
    total = len([row for row in salesforce.org.tables["Account"].values() if not row["IsDeleted"]])
    client._transport._session.headers["Sforce-Query-Options"] = "batchSize=200"
    pages = [page async for page in client.pages("SELECT Id FROM PricebookEntry")]
    assert len({row["Id"] for page in pages for row in page}) == sum(len(page) for page in pages)
    assert len(await client.query("SELECT Id FROM Account")) == total


async def test_a_parent_row_loses_the_vendors_attributes_too(client):
    rows = await client.query(quote("SELECT Id, Account.Name FROM Order WHERE AccountId = {} LIMIT 1", account_id(7)))
    assert set(rows[0]) == {"Id", "Account"}
    assert set(rows[0]["Account"]) == {"Name"}


async def test_an_absent_record_is_not_found(client):
    with pytest.raises(UpstreamNotFound):
        await client.get("Order", "801000000000999AAA")
    with pytest.raises(UpstreamNotFound):
        await client.update("Account", "001000000000999AAA", {PORTAL_FIELD: "Active"})


async def test_an_update_is_made_in_the_portals_name(client, salesforce):
    await client.update("Account", account_id(9), {PORTAL_FIELD: "Active"})
    assert salesforce.org.get("Account", account_id(9))[PORTAL_FIELD] == "Active"
    calls = salesforce.world.calls.listed("salesforce")["calls"]
    assert any(call["user_agent"] == "customer-portal/0.1" for call in calls)


async def test_an_upsert_repeated_is_the_same_record(client):
    key = new_key()
    fields = {"AccountId": account_id(9), "EffectiveDate": "2026-02-01", "Status": "Draft"}
    first = await client.upsert("Order", "Portal_Order_Key__c", key, fields)
    assert await client.upsert("Order", "Portal_Order_Key__c", key, {"Status": "Draft"}) == first


async def test_a_composite_makes_order_and_items_together(client, salesforce):
    order, item = await client.composite(order_of(salesforce, 9, new_key()))
    assert (order.status, item.status) == (201, 201)
    assert salesforce.org.get("OrderItem", item.body["id"])["OrderId"] == order.body["id"]


async def test_a_refused_part_undoes_all_and_gives_its_own_reason(client, salesforce):
    key = new_key()
    order, item = order_of(salesforce, 9, key)
    broken = Part(item.method, item.path, item.reference_id, {**item.body, "PricebookEntryId": "01u000000000999AAA"})
    with pytest.raises(UpstreamRejected) as refused:
        await client.composite([order, broken])
    assert refused.value.operation == "composite:item0"
    assert refused.value.vendor_code not in ("", "PROCESSING_HALTED")
    assert await client.query(quote("SELECT Id FROM Order WHERE Portal_Order_Key__c = {}", key)) == []


async def test_the_same_key_again_is_a_duplicate_by_its_code(client, salesforce):
    parts = order_of(salesforce, 9, new_key())
    await client.composite(parts)
    with pytest.raises(UpstreamRejected) as refused:
        await client.composite(parts)
    assert refused.value.vendor_code == "DUPLICATE_VALUE"


async def test_a_token_that_expired_is_renewed_and_the_call_repeated_once(client, salesforce):
    before = await client.token()
    salesforce.org.sessions.clear()
    assert await client.account_by_customer_number("C-000007") is not None
    assert await client.token() != before


async def test_an_org_that_is_down_is_unavailable_for_reads_and_writes(client, salesforce):
    await client.token()
    salesforce.world.script("*", "down", count=2)
    with pytest.raises(UpstreamUnavailable):
        await client.query("SELECT Id FROM Account")
    with pytest.raises(UpstreamUnavailable):
        await client.update("Account", account_id(9), {PORTAL_FIELD: "Active"})


async def test_a_write_that_was_done_and_not_answered_has_an_unknown_outcome(salesforce):
    impatient = await SalesforceClient.open(settings_of(salesforce, salesforce_timeout_seconds=0.5))
    await impatient.token()
    key = new_key()
    salesforce.world.script("*", "timeout_after_write")
    with pytest.raises(OutcomeUnknown):
        await impatient.composite(order_of(salesforce, 9, key))
    assert len(await impatient.query(quote("SELECT Id FROM Order WHERE Portal_Order_Key__c = {}", key))) == 1
    await impatient.close()


async def test_a_key_file_that_cannot_be_used_is_said_without_its_content(salesforce, tmp_path):
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n")
    for path in (broken, tmp_path / "missing.pem"):
        made = await SalesforceClient.open(settings_of(salesforce, salesforce_private_key_file=str(path)))
        with pytest.raises(UpstreamAuthFailed) as raised:
            await made.token()
        assert "private key file" in raised.value.reason
        assert "SECRET" not in repr(raised.value) + repr(raised.value.__cause__)
        await made.close()


async def test_an_org_whose_certificate_is_not_trusted_is_unavailable(salesforce):
    made = await SalesforceClient.open(settings_of(salesforce))
    token = await made.token()
    stranger = await SalesforceClient.open(settings_of(salesforce, ca_file=""))
    with pytest.raises(UpstreamUnavailable):
        await stranger.token()
    with pytest.raises(UpstreamUnavailable):
        await stranger._transport._run("x", lambda api: api.query("SELECT Id FROM Account"), token, True)
    await stranger.close()
    await made.close()


async def test_an_org_of_one_currency_is_asked_for_none(client, salesforce):
    whole = salesforce.org.objects["PricebookEntry"]
    fields = tuple(each for each in whole.fields if each.name != "CurrencyIsoCode")
    salesforce.org.objects["PricebookEntry"] = replace(whole, fields=fields)
    try:
        wanted = ", ".join(FIELDS["PricebookEntry"])
        rows = await asyncio.gather(*(client.query(f"SELECT {wanted} FROM PricebookEntry LIMIT 1") for _ in range(3)))
        assert [set(row) for (row,) in rows] == [set(FIELDS["PricebookEntry"]) - {"CurrencyIsoCode"}] * 3
        assert await client.get("PricebookEntry", rows[0][0]["Id"]) == rows[0][0]
        with pytest.raises(UpstreamRejected):
            await client.query("SELECT Id, CurrencyIsoCode, Nothing__c FROM PricebookEntry LIMIT 1")
    finally:
        salesforce.org.objects["PricebookEntry"] = whole
