"""Setup by administrators and the refusals that follow: lengths, picklists, places, permissions, money."""

import httpx
import pytest

from tests.fixtures.salesforce_stand_in import DATA, PRICEBOOK_ID, account_id, stand_in


@pytest.fixture(scope="module")
async def salesforce(tmp_path_factory):
    """An org of its own, since what is set up here stays."""
    async with stand_in(tmp_path_factory.mktemp("setup")) as running:
        yield running


@pytest.fixture
async def case(rest):
    return (await rest.post("/sobjects/Case", json={"Subject": "x", "AccountId": account_id(1)})).json()["id"]


async def test_a_comment_counts_bytes(rest, case):
    fits = await rest.post("/sobjects/CaseComment", json={"ParentId": case, "CommentBody": "あ" * 1_333})
    over = await rest.post("/sobjects/CaseComment", json={"ParentId": case, "CommentBody": "あ" * 1_334})
    assert fits.status_code == 201
    [problem] = over.json()
    assert (over.status_code, problem["errorCode"], problem["fields"]) == (400, "STRING_TOO_LONG", ["CommentBody"])


@pytest.mark.parametrize(("field", "length"), [("BillingCity", 40), ("Phone", 40), ("BillingPostalCode", 20)])
async def test_other_texts_count_characters(rest, field, length):
    path = f"/sobjects/Account/{account_id(2)}"
    assert (await rest.patch(path, json={field: "あ" * length})).status_code == 204
    [problem] = (await rest.patch(path, json={field: "x" * (length + 1)})).json()
    assert (problem["errorCode"], problem["fields"]) == ("STRING_TOO_LONG", [field])


async def described(rest, name):
    fields = (await rest.get(f"/sobjects/{name}/describe")).json()["fields"]
    return {each["name"]: each for each in fields}


async def test_describe_shows_lengths_in_both_units(rest):
    comment, account = await described(rest, "CaseComment"), await described(rest, "Account")
    assert (comment["CommentBody"]["length"], comment["CommentBody"]["byteLength"]) == (4_000, 4_000)
    assert (account["BillingCity"]["length"], account["BillingCity"]["byteLength"]) == (40, 120)


async def test_a_picklist_can_be_restricted_and_is_described_so(rest, staff):
    await staff.put("/picklists", json={"Account.Industry": {"values": ["Fishing"], "restricted": True}})
    [problem] = (await rest.patch(f"/sobjects/Account/{account_id(3)}", json={"Industry": "Mining"})).json()
    assert (problem["errorCode"], problem["fields"]) == ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Industry"])
    field = (await described(rest, "Account"))["Industry"]
    assert (field["restrictedPicklist"], [each["value"] for each in field["picklistValues"]]) == (True, ["Fishing"])


async def test_a_length_can_be_changed(rest, staff):
    await staff.put("/lengths", json={"Account.AccountNumber": 5})
    [problem] = (await rest.patch(f"/sobjects/Account/{account_id(3)}", json={"AccountNumber": "123456"})).json()
    assert problem["errorCode"] == "STRING_TOO_LONG"


async def test_an_org_with_places_takes_no_others(rest, staff):
    assert (await staff.put("/picklists", json={"state_and_country": True})).json() == {"state_and_country": True}
    path = f"/sobjects/Account/{account_id(4)}"
    before = (await rest.get(path, params={"fields": "BillingCountry,BillingCountryCode,BillingStateCode"})).json()
    assert (before["BillingCountry"], before["BillingCountryCode"]) == ("Japan", "JP")
    assert before["BillingStateCode"]
    [problem] = (await rest.patch(path, json={"BillingCountry": "JP"})).json()
    assert (problem["errorCode"], problem["fields"]) == ("FIELD_INTEGRITY_EXCEPTION", ["BillingCountry"])
    [problem] = (await rest.patch(path, json={"BillingState": "Tokio"})).json()
    assert problem["fields"] == ["BillingState"]
    [problem] = (await rest.patch(path, json={"BillingCountryCode": "XX"})).json()
    assert problem["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert (await rest.patch(path, json={"BillingCountry": "Japan", "BillingStateCode": "13"})).status_code == 204
    after = (await rest.get(path, params={"fields": "BillingState,BillingAddress"})).json()
    assert after["BillingState"] == "Tokyo"
    assert (after["BillingAddress"]["stateCode"], after["BillingAddress"]["countryCode"]) == ("13", "JP")


@pytest.fixture
async def lost(staff):
    """A function that takes rights away; they are given back at the end."""

    async def take(**what):
        (await staff.put("/permissions", json=what)).raise_for_status()

    yield take
    nothing = {"records": [], "objects": [], "fields": [], "read_only": [], "refusal": "NOT_FOUND"}
    await staff.put("/permissions", json=nothing)


async def query(rest, soql):
    return (await rest.get("/query", params={"q": soql})).json()


async def test_a_record_that_exists_is_not_found(rest, lost, staff):
    await lost(records=[account_id(5)])
    answer = await rest.get(f"/sobjects/Account/{account_id(5)}")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")
    found = await query(rest, f"SELECT Id FROM Account WHERE Id = '{account_id(5)}'")
    assert found["totalSize"] == 0
    assert account_id(5) not in {each["Id"] for each in (await query(rest, "SELECT Id FROM Account"))["records"]}
    assert (await staff.get(f"/Account/{account_id(5)}")).json()["Name"]
    await lost(refusal="INSUFFICIENT_ACCESS")
    answer = await rest.get(f"/sobjects/Account/{account_id(5)}")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "INSUFFICIENT_ACCESS")


async def test_an_object_and_a_field_are_gone(rest, lost):
    await lost(objects=["Case"], fields=["Order.Description"])
    assert (await query(rest, "SELECT Id FROM Case"))[0]["errorCode"] == "INVALID_TYPE"
    assert (await query(rest, "SELECT Description FROM Order"))[0]["errorCode"] == "INVALID_FIELD"
    assert "Description" not in await described(rest, "Order")
    orders = await query(rest, "SELECT Id FROM Order LIMIT 1")
    refused = await rest.patch(f"/sobjects/Order/{orders['records'][0]['Id']}", json={"Description": "x"})
    assert refused.json()[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"


async def test_what_may_only_be_read_is_not_written(rest, lost):
    await lost(read_only=["Account"])
    path = f"/sobjects/Account/{account_id(6)}"
    refused = await rest.patch(path, json={"Phone": "1"})
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert (await rest.get(path)).status_code == 200


SMALL = {"Sforce-Query-Options": "batchSize=200"}


@pytest.fixture
async def more(rest, staff):
    """The path of the second page of a query."""
    if (await query(rest, "SELECT COUNT() FROM Account"))["totalSize"] <= 200:
        for number in range(200):
            await staff.post("/Account", json={"Name": f"Many {number}"})
    first = (await rest.get("/query", params={"q": "SELECT Id FROM Account"}, headers=SMALL)).json()
    return first["nextRecordsUrl"].removeprefix(DATA)


async def test_a_locator_is_good_for_its_own_session_only(salesforce, rest, more):
    assert (await rest.get(more, headers=SMALL)).status_code == 200
    fresh = {"Authorization": f"Bearer {salesforce.token()}"}
    async with httpx.AsyncClient(base_url=salesforce.http + DATA, headers=fresh) as other:
        refused = await other.get(more)
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")


async def test_locators_can_be_killed(rest, staff, more):
    assert (await staff.delete("/locators")).json()["killed"] >= 1
    assert (await rest.get(more)).json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


async def test_one_product_has_prices_in_two_currencies(rest, staff):
    await staff.put("/currencies", json={"codes": ["JPY", "USD"]})
    product = (await query(rest, "SELECT Id FROM Product2 LIMIT 1"))["records"][0]["Id"]
    books = (await query(rest, "SELECT Id FROM Pricebook2 ORDER BY IsStandard DESC"))["records"]
    for book in [each["Id"] for each in books]:
        entry = {"Product2Id": product, "Pricebook2Id": book, "UnitPrice": 29, "IsActive": True}
        made = await rest.post("/sobjects/PricebookEntry", json=entry | {"CurrencyIsoCode": "USD"})
        assert made.status_code == 201, made.text
    soql = f"SELECT CurrencyIsoCode, UnitPrice FROM PricebookEntry WHERE Product2Id = '{product}'"
    found = await query(rest, f"{soql} AND Pricebook2Id = '{PRICEBOOK_ID}'")
    assert {each["CurrencyIsoCode"] for each in found["records"]} == {"JPY", "USD"}


async def test_products_without_a_sku_or_with_one_sku_between_them(rest, staff):
    first, second = (each["Id"] for each in (await query(rest, "SELECT Id FROM Product2 LIMIT 2"))["records"])
    assert (await staff.patch(f"/Product2/{first}", json={"StockKeepingUnit": None})).status_code == 200
    for each in (first, second):
        assert (await staff.patch(f"/Product2/{each}", json={"StockKeepingUnit": "SAME"})).status_code == 200
