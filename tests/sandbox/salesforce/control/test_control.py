"""The control surface: what staff do, and switches."""

import pytest

from tests.fixtures.salesforce_stand_in import PEOPLE, account_id

ORDER = {"AccountId": account_id(9), "EffectiveDate": "2026-02-01", "Status": "Pending Review"}


async def test_an_order_is_approved_listed_and_read(staff):
    made = (await staff.post("/Order", json=ORDER)).json()["Id"]
    assert (await staff.post(f"/orders/{made}/approve")).json()["Status"] == "Approved"
    listed = (await staff.get("/orders", params={"AccountId": account_id(9), "Status": "Approved"})).json()
    assert made in [row["Id"] for row in listed["records"]]
    assert (await staff.get(f"/Order/{made[:15]}")).json()["Id"] == made


async def test_accounts_are_those_of_the_sample_people(staff):
    account = (await staff.get(f"/accounts/{account_id(1)}")).json()
    assert account["SF_Account_No__c"] == PEOPLE[0].customer_number
    assert account["BillingAddress"]["postalCode"] == PEOPLE[0].postcode


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/Nothing", {}, 404),
        ("PATCH", "/Order/none", {}, 404),
        ("POST", "/Order", {"Status": "Approved"}, 400),
        ("POST", "/cdc", {"kind": "nonsense"}, 400),
        ("POST", "/cdc", {"kind": "gap", "object": "Order"}, 400),
    ],
)
async def test_a_wrong_request_is_refused_in_words(staff, method, path, body, status):
    answer = await staff.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["message"]


async def test_ended_sessions_refuse_every_old_token(rest, staff):
    assert (await rest.get("/limits")).status_code == 200
    await staff.delete("/sessions")
    assert (await rest.get("/limits")).json()[0]["errorCode"] == "INVALID_SESSION_ID"


async def test_the_quota_can_be_exhausted_and_restored(rest, staff):
    await staff.put("/quota", json={"exhausted": True})
    refused = await rest.get("/limits")
    await staff.put("/quota", json={"exhausted": False})
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert (await rest.get("/limits")).status_code == 200
