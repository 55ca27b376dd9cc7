"""The org as data: copies, seeds and rules that no client needs to be asked about."""

import copy
import pickle

import pytest

from sandbox.salesforce.org.org import Org
from sandbox.salesforce.org.seed import seed
from sandbox.salesforce.org.transaction import Transaction
from sandbox.salesforce.rest.errors import SalesforceError
from tests.fixtures.salesforce_stand_in import PEOPLE, PRICEBOOK_ID, PRODUCTS, account_id


@pytest.fixture
def org() -> Org:
    made = Org()
    seed(made, PEOPLE, PRODUCTS)
    return made


def work(org: Org) -> Transaction:
    return Transaction(org, now_ms=1_800_000_000_000)


def test_two_seeds_give_the_same_rows_and_no_events(org):
    other = Org()
    seed(other, PEOPLE, PRODUCTS)
    assert org.tables == other.tables
    assert org.tables["Account"][account_id(3)]["SF_Account_No__c"] == "C-000003"
    assert not any(log.events for log in org.bus.topics.values())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda org: pickle.loads(pickle.dumps(org))])  # noqa: S301
def test_a_copy_of_an_org_goes_its_own_way(org, duplicate):
    twin = duplicate(org)
    change = work(twin)
    change.create("Account", {"Name": "Only there"})
    change.commit()
    assert len(twin.tables["Account"]) == len(org.tables["Account"]) + 1
    assert len(twin.bus.topics["/data/Portal__chn"].events) == 1
    assert not org.bus.topics["/data/Portal__chn"].events


def test_a_rollback_leaves_no_trace(org):
    before = pickle.dumps((org.tables, org.indexes["Order"]))
    change = work(org)
    change.update("Account", account_id(1), {"Name": "Other"})
    change.delete("Account", account_id(2))
    change.rollback()
    assert pickle.dumps((org.tables, org.indexes["Order"])) == before


def test_several_changes_of_one_row_in_a_transaction_are_one_event(org):
    change = work(org)
    made = change.create("Account", {"Name": "One"})
    change.update("Account", made, {"Name": "Two"})
    gone = change.create("Account", {"Name": "Never seen"})
    change.delete("Account", gone)
    change.commit()
    events = org.bus.topics["/data/AccountChangeEvent"].events
    record = org.bus.schemas[events[0].schema_id].decode(events[0].payload)
    assert (len(events), record["Name"], record["ChangeEventHeader"]["changeType"]) == (1, "Two", "CREATE")


def test_an_order_is_activated_alone_and_only_with_items(org):
    change = work(org)
    order = {"AccountId": account_id(1), "EffectiveDate": "2026-02-01", "Status": "Approved"}
    made = change.create("Order", order | {"Pricebook2Id": PRICEBOOK_ID})
    with pytest.raises(SalesforceError, match="FAILED_ACTIVATION"):
        change.update("Order", made, {"Status": "Activated"})
    with pytest.raises(SalesforceError, match="FIELD_INTEGRITY_EXCEPTION"):
        change.update("Order", made, {"Status": "Activated", "Description": "x"})
    with pytest.raises(SalesforceError, match="FIELD_INTEGRITY_EXCEPTION"):
        change.create("Order", order | {"Status": "Activated"})


def test_a_custom_price_needs_a_standard_one_and_is_unique(org):
    change = work(org)
    product = change.create("Product2", {"Name": "New"})
    price = {"Product2Id": product, "Pricebook2Id": PRICEBOOK_ID, "UnitPrice": 1}
    with pytest.raises(SalesforceError, match="STANDARD_PRICE_NOT_DEFINED"):
        change.create("PricebookEntry", price)
    entry = next(iter(org.tables["PricebookEntry"].values()))
    again = {name: entry[name] for name in ("Product2Id", "Pricebook2Id", "UnitPrice")}
    with pytest.raises(SalesforceError, match="DUPLICATE_VALUE"):
        change.create("PricebookEntry", again)


def test_a_case_is_numbered_closed_and_commented_by_the_org(org):
    change = work(org)
    made = change.create("Case", {"Subject": "Help", "Origin": "Portal Website", "Comments": "Said on the phone"})
    change.update("Case", made, {"Status": "Closed"})
    row = change.must("Case", made)
    comments = change.children("CaseComment", "ParentId", made)
    assert (row["CaseNumber"], row["IsClosed"], row["Comments"]) == ("00000001", True, None)
    assert [comment["CommentBody"] for comment in comments] == ["Said on the phone"]
