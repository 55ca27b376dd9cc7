"""The REST side at the wire: tokens, composite requests, business rules, and faults."""

import json
import time

import httpx
import jwt
import pytest
import pytest_asyncio

from sandbox.salesforce import connected_app
from sandbox.salesforce.org.org import Org
from tests.fixtures.salesforce_stand_in import PRICEBOOK_ID, account_id, new_key, trusting

DATA = "/services/data/v66.0"


@pytest_asyncio.fixture
async def client(salesforce):
    headers = {"Authorization": f"Bearer {salesforce.token()}", "Sforce-Call-Options": "client=portal"}
    async with httpx.AsyncClient(base_url=salesforce.http, headers=headers, timeout=5) as opened:
        yield opened


def order_parts(sku_entry: str, key: str) -> list[dict]:
    order = {"AccountId": account_id(1), "EffectiveDate": "2026-02-01", "Status": "Pending Review"}
    item = {"OrderId": "@{o.id}", "PricebookEntryId": sku_entry, "Quantity": 2, "UnitPrice": 4800}
    url = f"{DATA}/sobjects/Order/Portal_Order_Key__c/{key}"
    return [
        {"method": "PATCH", "url": url, "referenceId": "o", "body": order | {"Pricebook2Id": PRICEBOOK_ID}},
        {"method": "POST", "url": f"{DATA}/sobjects/OrderItem", "referenceId": "i1", "body": item},
    ]


def assertion(stand_in, **changed) -> dict[str, str]:
    claims = {
        "iss": stand_in.org.app.client_id,
        "sub": stand_in.org.app.username,
        "aud": "https://login.salesforce.com",
    }
    claims |= {"exp": int(time.time()) + 120} | changed
    signed = jwt.encode(claims, changed.pop("key", stand_in.key_file.read_text()), "RS256")
    return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed}


@pytest.mark.parametrize("text", [False, True])
async def test_a_signed_assertion_buys_a_token_whose_user_is_the_integration_user(salesforce, text):
    moment = int(time.time()) + 180
    async with httpx.AsyncClient(base_url=salesforce.https, verify=trusting(salesforce)) as client:
        # PyJWT refuses to encode a string exp, some clients send one all the same
        claims = assertion(salesforce) if not text else string_exp(salesforce, str(moment))
        answer = (await client.post("/services/oauth2/token", data=claims)).json()
        bearer = {"Authorization": f"Bearer {answer['access_token']}"}
        info = (await client.get("/services/oauth2/userinfo", headers=bearer)).json()
    assert answer["instance_url"] == salesforce.https
    assert answer["access_token"].startswith(info["organization_id"][:15] + "!")
    assert info["preferred_username"] == salesforce.org.app.username


def string_exp(stand_in, exp: str) -> dict[str, str]:
    claims = {"iss": stand_in.org.app.client_id, "sub": stand_in.org.app.username, "aud": stand_in.https, "exp": exp}
    signed = jwt.api_jws.encode(json.dumps(claims).encode(), stand_in.key_file.read_text(), "RS256")
    return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed}


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "someone"},
        {"sub": "someone@example.com"},
        {"aud": "https://example.com"},
        {"exp": 1_000_000_000},
        {"exp": 9_000_000_000},
    ],
)
async def test_an_assertion_that_claims_wrongly_is_refused(salesforce, client, wrong):
    answer = await client.post("/services/oauth2/token", data=assertion(salesforce, **wrong))
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_grant", "invalid_client_id")


async def test_an_assertion_signed_with_another_key_is_refused(salesforce, client, tmp_path):
    connected_app.give_key(Org(), tmp_path / "other.pem")
    claims = {"iss": salesforce.org.app.client_id, "sub": salesforce.org.app.username, "exp": int(time.time()) + 60}
    forged = jwt.encode(claims | {"aud": salesforce.http}, (tmp_path / "other.pem").read_text(), "RS256")
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": forged}
    assert (await client.post("/services/oauth2/token", data=form)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("basic", [True, False])
async def test_client_credentials_are_taken_by_header_and_by_body(salesforce, basic):
    pair = (salesforce.org.app.client_id, salesforce.org.app.client_secret)
    body = {"grant_type": "client_credentials"}
    if not basic:
        body |= {"client_id": pair[0], "client_secret": pair[1]}
    async with httpx.AsyncClient(base_url=salesforce.http) as client:
        answer = await client.post("/services/oauth2/token", data=body, auth=pair if basic else None)
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["issued_at"].isdigit()


async def test_a_revoked_token_no_longer_works(salesforce):
    token = salesforce.token()
    async with httpx.AsyncClient(base_url=salesforce.http, headers={"Authorization": f"Bearer {token}"}) as client:
        assert (await client.get(f"{DATA}/limits")).status_code == 200
        await client.post("/services/oauth2/revoke", data={"token": token})
        refused = await client.get(f"{DATA}/limits")
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (401, "INVALID_SESSION_ID")


async def test_a_composite_creates_an_order_with_items_and_its_total(salesforce, client):
    parts = order_parts(salesforce.entry("INTERNET-SILVER-HOME-1G"), new_key())
    read = {"method": "GET", "url": f"{DATA}/sobjects/Order/@{{o.id}}?fields=TotalAmount", "referenceId": "r"}
    answer = await client.post(f"{DATA}/composite", json={"allOrNone": True, "compositeRequest": [*parts, read]})
    made = answer.json()["compositeResponse"]
    assert [part["httpStatusCode"] for part in made] == [201, 201, 200]
    assert made[0]["httpHeaders"]["Location"].endswith(made[0]["body"]["id"])
    assert made[2]["body"]["TotalAmount"] == 9600.0
    assert answer.headers["Sforce-Limit-Info"].startswith("api-usage=")


async def test_a_failing_part_of_an_all_or_none_composite_undoes_the_others(salesforce, client):
    key = new_key()
    parts = order_parts(salesforce.entry("INTERNET-SILVER-HOME-1G"), key)
    parts[1]["body"]["Quantity"] = None
    answer = await client.post(f"{DATA}/composite", json={"allOrNone": True, "compositeRequest": parts})
    made = answer.json()["compositeResponse"]
    assert [part["httpStatusCode"] for part in made] == [400, 400]
    assert made[0]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert made[1]["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    gone = await client.get(f"{DATA}/sobjects/Order/Portal_Order_Key__c/{key}")
    assert (gone.status_code, gone.json()[0]["errorCode"]) == (404, "NOT_FOUND")


async def test_without_all_or_none_the_good_parts_stay_and_dependents_halt(salesforce, client):
    key = new_key()
    parts = order_parts(salesforce.entry("INTERNET-SILVER-HOME-1G"), key)
    parts[0]["body"]["Status"] = "No such status"
    parts.append({"method": "POST", "url": f"{DATA}/sobjects/Account", "referenceId": "a", "body": {"Name": "Stays"}})
    answer = await client.post(f"{DATA}/composite/", json={"allOrNone": False, "compositeRequest": parts})
    made = answer.json()["compositeResponse"]
    assert [part["httpStatusCode"] for part in made] == [400, 400, 201]
    assert made[0]["body"][0]["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert made[1]["body"][0]["errorCode"] == "PROCESSING_HALTED"


async def test_collections_and_trees_report_row_by_row(client):
    rows = [{"attributes": {"type": "Account"}, "Name": "One"}, {"attributes": {"type": "Account"}}]
    loose = (await client.post(f"{DATA}/composite/sobjects", json={"allOrNone": False, "records": rows})).json()
    strict = (await client.post(f"{DATA}/composite/sobjects", json={"allOrNone": True, "records": rows})).json()
    nested = {"attributes": {"type": "Account", "referenceId": "a"}, "Name": "Tree"}
    nested["Contacts"] = {"records": [{"attributes": {"type": "Contact", "referenceId": "c"}, "LastName": "Leaf"}]}
    tree = await client.post(f"{DATA}/composite/tree/Account", json={"records": [nested]})
    assert [row["success"] for row in loose] == [True, False]
    assert loose[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert strict[0]["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert (tree.status_code, len(tree.json()["results"])) == (201, 2)


async def test_an_order_item_must_come_from_the_orders_price_book(salesforce, client):
    order = {"AccountId": account_id(1), "EffectiveDate": "2026-02-01", "Status": "Pending Review"}
    made = (await client.post(f"{DATA}/sobjects/Order", json=order)).json()["id"]
    item = {"OrderId": made, "Quantity": 1, "UnitPrice": 1}
    bare = (await client.post(f"{DATA}/sobjects/OrderItem", json=item)).json()
    entry = {"PricebookEntryId": salesforce.entry("INTERNET-SILVER-HOME-1G")}
    foreign = (await client.post(f"{DATA}/sobjects/OrderItem", json=item | entry)).json()
    assert [each["errorCode"] for each in bare] == ["REQUIRED_FIELD_MISSING"] + 2 * ["FIELD_INTEGRITY_EXCEPTION"]
    assert foreign[0]["message"].startswith("Order Products must have a Price Book Entry")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"Name": "x", "Nope": 1}, "INVALID_FIELD"),
        ({"Name": "x", "SystemModstamp": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"Name": "x" * 256}, "STRING_TOO_LONG"),
        ({"Name": "x", "ParentId": "0015h00000zzzzzXXX"}, "MALFORMED_ID"),
        ({"Name": "x", "ParentId": account_id(99_999)}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"Name": "x", "SF_Account_No__c": "C-000001"}, "DUPLICATE_VALUE"),
        ({"Name": "x", "NumberOfEmployees": "many"}, "JSON_PARSER_ERROR"),
        ({}, "REQUIRED_FIELD_MISSING"),
    ],
)
async def test_a_bad_row_is_refused_by_code(client, body, code):
    answer = await client.post(f"{DATA}/sobjects/Account/", json=body)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


async def test_a_parent_may_be_named_by_its_external_id(client):
    body = {"LastName": "Child", "Account": {"SF_Account_No__c": "C-000004"}}
    made = (await client.post(f"{DATA}/sobjects/Contact", json=body)).json()["id"]
    assert (await client.get(f"{DATA}/sobjects/Contact/{made}")).json()["AccountId"] == account_id(4)


async def test_a_scripted_hang_does_the_work_and_never_answers(salesforce, client):
    key = new_key()
    salesforce.world.script("sobjects.upsert:Order", "timeout_after_write")
    order = {"AccountId": account_id(1), "EffectiveDate": "2026-02-01", "Status": "Pending Review"}
    url = f"{DATA}/sobjects/Order/Portal_Order_Key__c/{key}"
    with pytest.raises(httpx.ReadTimeout):
        await client.patch(url, json=order, timeout=0.3)
    assert (await client.get(url)).json()["Status"] == "Pending Review"
    assert "sobjects.upsert:Order" in salesforce.world.operations()


@pytest.mark.parametrize(("kind", "status"), [("down", 503), ("status", 500)])
async def test_a_scripted_failure_answers_its_status(salesforce, client, kind, status):
    salesforce.world.script("limits", kind, status=status)
    assert (await client.get(f"{DATA}/limits")).status_code == status
    assert (await client.get(f"{DATA}/limits")).status_code == 200


async def test_versions_need_no_token_and_retired_ones_are_gone(salesforce):
    async with httpx.AsyncClient(base_url=salesforce.http) as anyone:
        assert (await anyone.get("/services/data")).json()[-1]["version"] == "67.0"
        assert (await anyone.get("/services/data/v29.0/limits")).status_code == 410
        assert (await anyone.get("/services/data/v66.0/limits")).status_code == 401
