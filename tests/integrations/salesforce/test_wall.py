"""No answer of Salesforce, however spoiled, comes out of the wall as anything but one of our errors: every public call
of every module that speaks REST, with every fault, over a real socket."""

import asyncio
import inspect
import json
import types
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from app.errors import OutcomeUnknown, UpstreamError, UpstreamNotFound, UpstreamRejected
from app.integrations.salesforce import activation, eligibility, orders
from app.integrations.salesforce.cases import SalesforceCases
from app.integrations.salesforce.client import Part, SalesforceClient
from app.integrations.salesforce.orders import Choices, NewItem, NewOrder, Porting, Snapshot
from app.integrations.salesforce.token import AccessToken
from tests.integrations.salesforce.byte_faults import LENIENT, SPOILED
from tests.integrations.salesforce.rude import RECORD_ID, Asked, RudeOrg, encoded, framed, good, rude_org

NOW = datetime(2026, 2, 1, tzinfo=UTC)
ADDRESS = Snapshot(street="1-1", city="Chiyoda", state="Tokyo", postcode="1000001", country="Japan")
PORTING = Porting(**dict.fromkeys(Porting.__struct_fields__, "x"))
NEW = NewOrder(
    key="k",
    account_id=RECORD_ID,
    pricebook_id=RECORD_ID,
    effective_on=date(2026, 2, 1),
    order_type="SIM",
    address=ADDRESS,
    address_changed=False,
    choices=Choices(),
    porting=PORTING,
    instant=True,
    items=[NewItem(pricebook_entry_id=RECORD_ID, quantity=1, unit_price=Decimal(1))],
)
ARGUMENTS: dict[str, Any] = {
    "soql": "SELECT Id FROM Order ORDER BY Id",
    "object_name": "Order",
    "record_id": RECORD_ID,
    "field": "VersionData",
    "fields": {"Status": "Draft"},
    "key_field": "Portal_Order_Key__c",
    "key": "k",
    "parts": [Part("POST", "/sobjects/Order", "order", {})],
    "number": "C-1",
    "token": AccessToken("00D!x", "https://127.0.0.1:9", "00D"),
    "settings": None,
    "salesforce_account_id": RECORD_ID,
    "limit": 5,
    "most": 5,
    "case_id": RECORD_ID,
    "subject": "No signal",
    "description": "since today",
    "priority": "High",
    "body": "Hello",
    "version_id": RECORD_ID,
    "name": "a.txt",
    "content": b"abc",
    "order_id": RECORD_ID,
    "code": "X",
    "message": "x",
    "at": NOW,
    "failed": True,
    "begun": True,
    "whmcs_order_id": "7",
    "services": {RECORD_ID: "8"},
    "reason": "x",
    "account_id": RECORD_ID,
    "address": "1-1",
    "today": date(2026, 2, 1),
    "new": NEW,
    "entry_ids": [RECORD_ID],
    "currency": "USD",
    "prices": {RECORD_ID: (Decimal(1), Decimal(0))},
}
NOT_CALLS = {
    "SalesforceClient.open",
    "SalesforceClient.close",
    "SalesforceClient.token",
    "SalesforceClient.token_worked",
}


def public(owner: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Its public functions that are its own and speak to Salesforce."""
    for name, each in vars(owner).items():
        function = each.__func__ if isinstance(each, classmethod) else each
        own = isinstance(function, types.FunctionType) and (
            not inspect.ismodule(owner) or function.__module__ == owner.__name__
        )
        asks = own and (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function))
        if asks and not name.startswith("_") and f"{prefix}.{name}" not in NOT_CALLS:
            yield f"{prefix}.{name}", function


CALLS = dict(
    found
    for owner, prefix in (
        (SalesforceClient, "SalesforceClient"),
        (SalesforceCases, "SalesforceCases"),
        (orders, "orders"),
        (activation, "activation"),
        (eligibility, "eligibility"),
    )
    for found in public(owner, prefix)
)


async def called(org: RudeOrg, name: str) -> Any:
    """Call it with plausible arguments, and use up what it gives."""
    function, first = CALLS[name], org.client
    if name.startswith("SalesforceCases"):
        first = SalesforceCases(org.client)
    _, *parameters = inspect.signature(function).parameters.values()
    given = {each.name: ARGUMENTS[each.name] for each in parameters if each.default is inspect.Parameter.empty}
    found = function(first, **given)
    if isinstance(found, AsyncIterator):
        return [each async for each in found]
    return await found


@pytest_asyncio.fixture
async def org(salesforce: Any, tmp_path: Any) -> AsyncIterator[RudeOrg]:
    async with rude_org(salesforce, tmp_path) as running:
        yield running


def test_the_walk_found_the_calls() -> None:
    assert {
        "SalesforceClient.query",
        "SalesforceClient.pages",
        "SalesforceClient.composite",
        "SalesforceClient.deletion",
        "SalesforceCases.listed",
        "SalesforceCases.attached",
        "orders.create",
        "orders.prices",
        "activation.live",
        "activation.complete",
        "eligibility.request_check",
    } <= set(CALLS)


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_succeeds_where_nothing_is_wrong_or_nothing_that_matters(org: RudeOrg, name: str) -> None:
    for label, fault in LENIENT.items():
        org.answers(lambda asked, fault=fault: spoiled(asked, fault))  # type: ignore[misc]
        found, error = await tried(org, name)
        assert error is None, f"{label}: {error!r}"
        if not isinstance(found, bytes):  # a file is as it is
            assert "\x00" not in json.dumps(found, default=repr), label
            assert "\\ud83d" not in json.dumps(found, default=repr), label


async def tried(org: RudeOrg, name: str) -> tuple[Any, Exception | None]:
    """Make the call and return its outcome. Concurrent calls that go on after one of them failed are waited for, since
    they meet this fault."""
    before = asyncio.all_tasks()
    try:
        return await called(org, name), None
    except Exception as error:
        return None, error
    finally:
        if left := asyncio.all_tasks() - before:
            await asyncio.wait(left, timeout=30)


@pytest.mark.parametrize("name", CALLS)
async def test_nothing_but_our_errors_leaves_the_wall(org: RudeOrg, name: str) -> None:
    for label, fault in SPOILED.items():
        org.answers(lambda asked, fault=fault: spoiled(asked, fault))  # type: ignore[misc]
        _, error = await tried(org, name)
        assert error is None or isinstance(error, UpstreamError), f"{label}: {error!r}"
        assert not isinstance(error, UpstreamNotFound) or name == "activation.live", label
        if error is not None and org.calls[-1].method != "GET":
            assert type(error) is OutcomeUnknown, f"{label}: {error!r}"
        assert len(org.calls) <= 6, f"{label}: nothing is asked again and again"


@pytest.mark.parametrize("name", [name for name in CALLS if "content" not in name])
async def test_a_page_of_somebody_in_between_is_never_taken_for_a_success(org: RudeOrg, name: str) -> None:
    for label in ("html-with-200", "nothing-with-200", "302", "html-404", "null", "deep"):
        org.answers(lambda asked, label=label: spoiled(asked, SPOILED[label]))  # type: ignore[misc]
        with pytest.raises(UpstreamError):
            await called(org, name)


@pytest.mark.parametrize("name", CALLS)
async def test_no_content_where_there_should_be_some(org: RudeOrg, name: str) -> None:
    org.answers(lambda asked: b"HTTP/1.1 204 No Content\r\n\r\n")
    if name in ("SalesforceClient.update", "eligibility.record_address"):
        await called(org, name)  # which is how Salesforce confirms an update
        return
    if name in ("SalesforceClient.content", "SalesforceCases.content"):
        assert await called(org, name) == b""
        return
    with pytest.raises(UpstreamError):
        await called(org, name)


@pytest.mark.parametrize(
    ("code", "status"), [("NOT_FOUND", 404), ("ENTITY_IS_DELETED", 404), ("ENTITY_IS_DELETED", 400)]
)
async def test_only_salesforces_own_word_says_that_there_is_no_record(org: RudeOrg, code: str, status: int) -> None:
    org.answers(lambda asked: framed(json.dumps([{"errorCode": code, "message": "no"}]).encode(), status))
    with pytest.raises(UpstreamNotFound):
        await org.client.get("Order", RECORD_ID)


@pytest.mark.parametrize(
    "code", ["INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "INVALID_TYPE", "INVALID_FIELD", "MALFORMED_ID"]
)
async def test_a_lost_permission_is_no_absence(org: RudeOrg, code: str) -> None:
    org.answers(lambda asked: framed(json.dumps([{"errorCode": code, "message": "no"}]).encode(), 404))
    with pytest.raises(UpstreamError) as raised:
        await org.client.get("Order", RECORD_ID)
    assert not isinstance(raised.value, UpstreamNotFound)


LIMITS = [
    ("STRING_TOO_LONG", ["BillingCity"]),
    ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Type"]),
    ("FIELD_CUSTOM_VALIDATION_EXCEPTION", []),
    ("FIELD_INTEGRITY_EXCEPTION", ["BillingCountry", "BillingState"]),
]


@pytest.mark.parametrize(("code", "fields"), LIMITS)
@pytest.mark.parametrize("status", [400, 500])
async def test_a_permanent_refusal_names_the_fields(org: RudeOrg, code: str, fields: list[str], status: int) -> None:
    body = [{"errorCode": code, "message": "no", "fields": fields}]
    org.answers(lambda asked: framed(json.dumps(body).encode(), status))
    for write in ("update", "create", "upsert"):
        with pytest.raises(UpstreamRejected) as raised:
            await called(org, f"SalesforceClient.{write}")
        assert (raised.value.vendor_code, raised.value.fields) == (code, tuple(fields))
        assert raised.value.retry_after_seconds is None or raised.value.code == "upstream_rejected"


@pytest.mark.parametrize(("code", "fields"), LIMITS)
async def test_a_permanent_refusal_of_a_part_names_them_too(org: RudeOrg, code: str, fields: list[str]) -> None:
    halted = [{"errorCode": "PROCESSING_HALTED", "message": "rolled back"}]
    own = [{"errorCode": code, "message": "no", "fields": fields}]
    parts = [Part("POST", "/sobjects/Order", name, {}) for name in ("first", "second")]
    answer = [
        {"referenceId": "first", "httpStatusCode": 400, "body": halted},
        {"referenceId": "second", "httpStatusCode": 400, "body": own},
    ]
    org.answers(lambda asked: framed(json.dumps({"compositeResponse": answer}).encode()))
    with pytest.raises(UpstreamRejected) as raised:
        await org.client.composite(parts)
    assert (raised.value.operation, raised.value.vendor_code) == ("composite:second", code)
    assert raised.value.fields == tuple(fields)


async def test_a_redirect_is_not_followed_and_nobody_else_has_the_token(org: RudeOrg) -> None:
    org.answers(lambda asked: framed(b"", 302, Location=f"{org.url}/elsewhere"))
    with pytest.raises(UpstreamError):
        await org.client.query("SELECT Id FROM Order")
    assert [each.path for each in org.calls if "elsewhere" in each.path] == []


async def test_an_id_never_leads_to_another_address(org: RudeOrg) -> None:
    for record_id in ("//127.0.0.1:9/x", "../../elsewhere", "https://127.0.0.1:9/x", "a?b#c"):
        org.answers(encoded)
        await org.client.update("Order", record_id, {})
        await org.client.get("Order", record_id)
        await org.client.content("ContentVersion", record_id, "VersionData")
        assert all(each.path.startswith("/services/data/v66.0/sobjects/") for each in org.calls)
        assert len(org.calls) == 3


def spoiled(asked: Asked, fault: Any) -> bytes:
    status, body = good(asked)
    found: bytes = fault(status, json.dumps(body).encode())
    return found


async def test_two_calls_at_once_do_not_mix(org: RudeOrg) -> None:
    org.answers(encoded)
    assert await asyncio.gather(*(org.client.count("Order") for _ in range(4))) == [1, 1, 1, 1]
