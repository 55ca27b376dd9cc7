"""simple-salesforce, unchanged, over https with the sandbox's authority."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)
from simple_salesforce.format import format_soql

from tests.fixtures.salesforce_stand_in import PEOPLE, PRODUCTS, StandIn, account_id, new_key

NEWCOMER = next(person.customer_number for person in reversed(PEOPLE) if not person.has_whmcs)
"""Somebody who never ordered."""


def client(stand_in: StandIn, token: str | None = None) -> Salesforce:
    session = requests.Session()
    session.verify, session.trust_env = str(stand_in.ca_file), False
    return Salesforce(
        instance_url=stand_in.https, session_id=token or stand_in.token(), session=session, version="66.0"
    )


async def using(stand_in: StandIn, work: Callable[[Salesforce], Any]) -> Any:
    return await asyncio.to_thread(lambda: work(client(stand_in)))


async def test_a_query_follows_parents_and_children(salesforce):
    soql = format_soql(
        "SELECT Id, AccountId, Account.Name, (SELECT Id, UnitPrice, Product2.Name FROM OrderItems) FROM Order "
        "WHERE AccountId = {} ORDER BY CreatedDate DESC",
        account_id(7),
    )
    found = await using(salesforce, lambda sf: sf.query_all(soql))
    assert found["totalSize"] == 2
    person = PEOPLE[6]
    assert found["records"][0]["Account"]["Name"] == f"{person.last_name} {person.first_name}"
    items = found["records"][0]["OrderItems"]["records"]
    assert items[0]["Product2"]["Name"] in {product.name for product in PRODUCTS}


async def test_a_row_can_be_created_read_changed_and_deleted(salesforce):
    def work(sf: Salesforce) -> Any:
        made = sf.Account.create({"Name": "Crud", "BillingCity": "Osaka"})
        sf.Account.update(made["id"], {"Phone": "06-0000-0000"})
        row = sf.Account.get(made["id"])
        sf.Account.delete(made["id"])
        return made, row

    made, row = await using(salesforce, work)
    assert made["success"]
    assert (row["Phone"], row["BillingAddress"]["city"]) == ("06-0000-0000", "Osaka")
    assert row["LastModifiedDate"].endswith(".000+0000")
    with pytest.raises(SalesforceResourceNotFound) as gone:
        await using(salesforce, lambda sf: sf.Account.get(made["id"]))
    assert gone.value.content[0]["errorCode"] == "ENTITY_IS_DELETED"


async def test_a_deleted_row_is_found_by_query_all_alone(salesforce):
    def work(sf: Salesforce) -> Any:
        made = sf.Account.create({"Name": "Soon gone"})["id"]
        sf.Account.delete(made)
        soql = f"SELECT Id, IsDeleted FROM Account WHERE Id = '{made}'"
        return sf.query(soql), sf.query(soql, include_deleted=True)

    without, with_deleted = await using(salesforce, work)
    assert without["totalSize"] == 0
    assert with_deleted["records"][0]["IsDeleted"] is True


async def test_an_upsert_by_the_same_key_makes_one_order(salesforce):
    key = new_key()
    order = {"AccountId": account_id(2), "EffectiveDate": "2026-02-01", "Status": "Pending Review"}

    def work(sf: Salesforce) -> Any:
        first = sf.Order.upsert(f"Portal_Order_Key__c/{key}", order, raw_response=True)
        second = sf.Order.upsert(f"Portal_Order_Key__c/{key}", {"Description": "again"}, raw_response=True)
        return first, second, sf.query(f"SELECT COUNT() FROM Order WHERE Portal_Order_Key__c = '{key}'")

    first, second, count = await using(salesforce, work)
    assert (first.status_code, first.json()["created"]) == (201, True)
    assert (second.status_code, second.json()["created"]) == (200, False)
    assert first.json()["id"] == second.json()["id"]
    assert (count["totalSize"], count["records"]) == (1, [])


async def test_a_long_result_comes_in_pages(salesforce):
    def work(sf: Salesforce) -> Any:
        sf.headers["Sforce-Query-Options"] = "batchSize=200"
        for chunk in range(3):
            rows = [{"attributes": {"type": "Case"}, "Subject": f"page {chunk}-{row}"} for row in range(150)]
            sf.restful("composite/sobjects", method="POST", json={"records": rows})
        soql = "SELECT Id, Subject FROM Case WHERE Subject LIKE 'page %'"
        return sf.query(soql), list(sf.query_all_iter(soql))

    first, everything = await using(salesforce, work)
    assert (first["totalSize"], first["done"], len(first["records"])) == (450, False, 200)
    assert len({row["Id"] for row in everything}) == 450


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id FROM", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account GROUP BY Name", "MALFORMED_QUERY"),
        ("SELECT Nope__c FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nope__c", "INVALID_TYPE"),
        ("SELECT Id FROM Account WHERE CreatedDate > '2026-01-01'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Id = 'short'", "INVALID_QUERY_FILTER_OPERATOR"),
    ],
)
async def test_a_bad_query_is_refused_by_code(salesforce, soql, code):
    with pytest.raises(SalesforceMalformedRequest) as refused:
        await using(salesforce, lambda sf: sf.query(soql))
    assert refused.value.content[0]["errorCode"] == code


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("SF_Account_No__c IN ('C-000001', 'c-000002') AND IsDeleted = false", 2),
        ("NOT (SF_Account_No__c != 'C-000003')", 1),
        (
            "SF_Account_No__c LIKE 'C-00004_' AND (WH_Account__c = null OR SF_Account_No__c = 'C-000040')",
            sum(person.number == 40 or not person.has_whmcs for person in PEOPLE[39:49]),
        ),
        (
            "SF_Account_No__c = 'C-000001' AND CreatedDate >= 2026-01-05T01:00:00Z "
            "AND CreatedDate < 2026-01-06T00:00:00Z",
            1,
        ),
        (
            f"Id IN (SELECT AccountId FROM Order WHERE Status = 'Processed') AND SF_Account_No__c = '{NEWCOMER}'",
            0,
        ),
        ("SF_Account_No__c = 'C-000001' AND Name NOT IN ('Somebody else')", 1),
    ],
)
async def test_conditions_select_what_they_say(salesforce, condition, count):
    found = await using(salesforce, lambda sf: sf.query(f"SELECT Id FROM Account WHERE {condition}"))
    assert found["totalSize"] == count


async def test_describe_limits_updated_and_deleted_answer(salesforce):
    def work(sf: Salesforce) -> Any:
        start, end = "2026-01-01T00:00:00+00:00", "2099-01-01T00:00:00+00:00"
        return (
            sf.describe(),
            sf.Order.describe(),
            sf.limits(),
            sf.restful("sobjects/Order/updated/", params={"start": start, "end": end}),
            sf.restful("sobjects/Account/deleted/", params={"start": start, "end": end}),
        )

    objects, order, limits, updated, deleted = await using(salesforce, work)
    assert "Order" in {each["name"] for each in objects["sobjects"]}
    key = next(each for each in order["fields"] if each["name"] == "Portal_Order_Key__c")
    assert key["externalId"]
    assert limits["DailyApiRequests"]["Remaining"] > 0
    assert updated["ids"]
    assert "deletedRecords" in deleted


async def test_an_unknown_token_is_an_expired_session(salesforce):
    with pytest.raises(SalesforceExpiredSession):
        await asyncio.to_thread(lambda: client(salesforce, "00Dnonsense!token").query("SELECT Id FROM Account LIMIT 1"))


async def test_an_exhausted_quota_refuses_until_it_is_lifted(salesforce):
    salesforce.org.quota.exhausted = True
    try:
        with pytest.raises(SalesforceRefusedRequest) as refused:
            await using(salesforce, lambda sf: sf.query("SELECT Id FROM Account LIMIT 1"))
    finally:
        salesforce.org.quota.exhausted = False
    assert refused.value.content[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"
