"""Events that are odd in one thing are believed in nothing else: their records are read again."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.integrations.salesforce.events.changes import changes_of
from tests.integrations.salesforce.events.test_changes import SCHEMA

NOW = datetime(2026, 2, 1, tzinfo=UTC)
ORDER_ID = "801000000000001AAA"
HEADER = {
    "entityName": "Order",
    "changeOrigin": "com/salesforce/api/rest/66.0",
    "transactionKey": "t",
    "commitUser": "005000000000001AAA",
    "recordIds": [ORDER_ID],
    "nulledFields": [],
    "diffFields": [],
    "changedFields": ["0x08"],
    "changeType": "UPDATE",
    "sequenceNumber": 1,
    "commitTimestamp": 1_769_904_000_000,
    "commitNumber": 1,
}
BODY = {"Status": "Approved", "BillingAddress": None}


def read(header: dict[str, Any], body: dict[str, Any] = BODY, event_id: str = "e") -> list[Any]:
    return changes_of(event_id, SCHEMA.resolved, {"ChangeEventHeader": header, **body}, NOW)


def test_an_event_as_it_should_be() -> None:
    (change,) = read(HEADER)
    assert (change.kind, change.data) == ("partial", {"Status": "Approved"})


@pytest.mark.parametrize("odd", ["App\x00roved", "Approved\x00"])
def test_text_is_clean(odd: str) -> None:
    (change,) = read(HEADER, {"Status": odd})
    assert (change.kind, change.data) == ("partial", {"Status": "Approved"})
    (change,) = read(HEADER, {"Status": "ok \ud83d"}, event_id="e\x00")
    assert change.data == {"Status": "ok \N{REPLACEMENT CHARACTER}"}
    assert "\x00" not in change.event_id


@pytest.mark.parametrize(
    "odd",
    [
        {"changedFields": ["0xZZ"]},
        {"changedFields": ["0xFFFFFFFF"]},
        {"changedFields": ["99-0x1"]},
        {"changedFields": ["1-0x1"]},
        {"changedFields": None},
        {"changedFields": [5]},
        {"nulledFields": ["-"]},
        {"diffFields": ["0x" + "F" * 50]},
        {"commitTimestamp": 10**18},
        {"commitTimestamp": 4_102_444_800_000},  # 2100
        {"commitTimestamp": -(10**18)},
        {"commitTimestamp": None},
        {"commitTimestamp": "soon"},
    ],
)
def test_what_cannot_be_read_becomes_a_hint(odd: dict[str, Any]) -> None:
    (change,) = read(HEADER | odd)
    assert (change.object, change.record_id, change.kind, change.data) == ("Order", ORDER_ID, "hint", {})


@pytest.mark.parametrize("name", ["commitTimestamp", "changeType", "changedFields", "nulledFields", "diffFields"])
def test_a_missing_member_of_the_header_becomes_a_hint(name: str) -> None:
    (change,) = read({key: value for key, value in HEADER.items() if key != name})
    assert (change.record_id, change.kind) == (ORDER_ID, "hint")


def test_a_missing_origin_is_nobodys() -> None:
    (change,) = read({key: value for key, value in HEADER.items() if key != "changeOrigin"})
    assert not change.echo


@pytest.mark.parametrize("field", [{"EffectiveDate": 10**19}, {"LastModifiedDate": -(10**19)}, {"EffectiveDate": "x"}])
def test_an_instant_beyond_the_calendar_becomes_a_hint(field: dict[str, Any]) -> None:
    (change,) = read(HEADER | {"changedFields": ["0x06"]}, field)
    assert change.kind == "hint"


@pytest.mark.parametrize("ids", [[""], ["../../x"], ["80\x001"], "801", None, [5], ["8" * 40]])
def test_an_event_without_record_ids_is_undecodable(ids: Any) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011  whatever it is: the client sets the event aside
        read(HEADER | {"recordIds": ids})
