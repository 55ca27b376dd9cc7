"""Erasure and merges upstream: who became this customer, and what this customer became."""

from typing import Any

from app.ingest.refetch import merges
from app.personal_data import subject as subjects
from app.personal_data.subject import Subject
from app.resources import Resources
from tests.fixtures.linked import add_account
from tests.fixtures.linked import settle_all as settle
from tests.personal_data.conftest import merged_from, news
from tests.personal_data.test_erase import erased, leaks


async def test_the_customer_that_was_merged_into_this_one_goes_too(
    resources: Resources, subject: Subject, person: dict[str, Any]
) -> None:
    await merged_from(resources, subject, "99903", {"email": person["email"], "firstname": "Hana"})
    found = await subjects.find(resources.pool, person["email"])
    await erased(resources, found)
    assert await leaks(resources, person) == []


async def test_the_target_of_a_later_merge_is_erased_as_well(
    resources: Resources, subject: Subject, person: dict[str, Any], sandbox: Any
) -> None:
    others = [each for each in sandbox.state["customers"] if each["whmcs_client_id"]]
    other = next(each for each in others if each["email"] != person["email"])
    mine = {"Name": person["email"], "SF_Account_No__c": other["customer_number"]}
    into = other["salesforce_account_id"]
    await resources.inbox.submit([news("salesforce", "Account", into, mine, owner_id=into)])
    await settle(resources)
    await erased(resources, subject)
    gone = subject.salesforce_account_id
    (await sandbox.control.post(f"/salesforce/accounts/{gone}/merge", json={"into": into})).raise_for_status()
    (await sandbox.control.patch(f"/salesforce/accounts/{into}", json={"Name": person["email"]})).raise_for_status()
    await resources.inbox.submit([news("salesforce", "Account", gone, {}, kind="deleted")])
    await settle(resources)
    await merges.request(resources.pool, resources.inbox)
    await settle(resources)
    assert await leaks(resources, person) == []
    query = "SELECT data ->> 'Name' FROM mirror.records WHERE object = 'Account' AND record_id = $1"
    name = await resources.pool.fetchval(query, into)  # the account's history is kept under the same id
    assert name == ""


async def test_a_merge_target_with_an_account_of_its_own_is_kept(
    resources: Resources, subject: Subject, person: dict[str, Any], sandbox: Any
) -> None:
    others = [each for each in sandbox.state["customers"] if each["whmcs_client_id"]]
    other = next(each for each in others if each["email"] != person["email"])
    into = other["salesforce_account_id"]
    ids = {"whmcs_client_id": "99904", "salesforce_account_id": into, "customer_number": "C-99904"}
    await add_account(resources.pool, {"email": "o@x", **ids})
    await erased(resources, subject)
    gone = subject.salesforce_account_id
    (await sandbox.control.post(f"/salesforce/accounts/{gone}/merge", json={"into": into})).raise_for_status()
    await resources.inbox.submit([news("salesforce", "Account", gone, {}, kind="deleted")])
    await settle(resources)
    await merges.request(resources.pool, resources.inbox)
    await settle(resources)
    outcome = await resources.pool.fetchval("SELECT outcome FROM ingest.inbox WHERE object = 'merge'")
    assert outcome == "refetched"
    kept = await resources.pool.fetchval("SELECT count(*) FROM portal.erased_owners WHERE owner_id = $1", into)
    assert kept == 0
