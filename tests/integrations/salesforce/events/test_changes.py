"""Change events as the vendor documents them, turned into changes."""

import json
from datetime import UTC, datetime
from io import BytesIO

import fastavro
import pytest

from app.integrations.salesforce.events.changes import changes_of, named_fields
from app.integrations.salesforce.events.schemas import parse

NOW = datetime(2026, 2, 1, tzinfo=UTC)
COMMITTED = 1_769_904_000_000


def nullable(name, kind, doc="Data:Text"):
    return {"name": name, "type": ["null", kind], "default": None, "doc": doc}


TEXTS = [{"name": name, "type": "string"} for name in ("entityName", "changeOrigin", "transactionKey", "commitUser")]
LISTS = [
    {"name": name, "type": {"type": "array", "items": "string"}}
    for name in ("recordIds", "nulledFields", "diffFields", "changedFields")
]
KINDS = [
    *("CREATE", "UPDATE", "DELETE", "UNDELETE"),
    *("GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW", "SNAPSHOT"),
]
HEADER = {
    "name": "ChangeEventHeader",
    "type": {
        "type": "record",
        "name": "ChangeEventHeader",
        "fields": [
            *TEXTS,
            *LISTS,
            {"name": "changeType", "type": {"type": "enum", "name": "ChangeType", "symbols": KINDS}},
            {"name": "sequenceNumber", "type": "int"},
            {"name": "commitTimestamp", "type": "long"},
            {"name": "commitNumber", "type": "long"},
        ],
    },
}
ADDRESS = {"type": "record", "name": "Address", "fields": [nullable("Street", "string"), nullable("City", "string")]}
ORDER = [
    HEADER,
    nullable("AccountId", "string", "ForeignKey:EntityId"),
    nullable("EffectiveDate", "long", "Data:DateOnly"),
    nullable("Status", "string", "Data:DynamicEnum"),
    nullable("BillingAddress", ADDRESS, "Data:Address"),
    nullable("ShippingAddress", "Address", "Data:Address"),
    nullable("TotalAmount", "double", "Data:Currency"),
    nullable("LastModifiedDate", "long", "Data:DateTime"),
    nullable("Unmirrored__c", "string"),
]
SCHEMA = parse(
    json.dumps({"type": "record", "name": "OrderChangeEvent", "namespace": "com.sforce.eventbus", "fields": ORDER})
)


def decoded(change_type, body=(), *, ids=("801000000000001AAA",), origin="", **bitmaps):
    """Return an event through real Avro bytes, as it comes off the bus."""
    header = {
        "entityName": "Order",
        "recordIds": list(ids),
        "changeType": change_type,
        "changeOrigin": origin,
        "transactionKey": "k",
        "sequenceNumber": 1,
        "commitTimestamp": COMMITTED,
        "commitNumber": 1_698_100_138_468_892_700,
        "commitUser": "005",
        "nulledFields": [],
        "diffFields": [],
        "changedFields": [],
    } | bitmaps
    out = BytesIO()
    fastavro.schemaless_writer(out, SCHEMA.parsed, {"ChangeEventHeader": header} | dict(body))
    return changes_of("event-1", SCHEMA.resolved, SCHEMA.decode(out.getvalue()), NOW)


def test_a_create_is_a_full_record_in_rest_spelling():
    body = {
        "AccountId": "001A",
        "EffectiveDate": COMMITTED,
        "Status": "Draft",
        "BillingAddress": {"Street": "1-2-3", "City": "Shibuya"},
        "TotalAmount": 9.5,
        "LastModifiedDate": COMMITTED + 7,
        "Unmirrored__c": "not kept",
    }
    (change,) = decoded("CREATE", body)
    assert (change.kind, change.object, change.record_id) == ("full", "Order", "801000000000001AAA")
    assert (change.owner_id, change.event_id) == ("001A", "event-1:801000000000001AAA")
    assert (change.version, change.origin) == (COMMITTED, "cdc")
    assert change.data["EffectiveDate"] == "2026-02-01"
    assert change.data["LastModifiedDate"] == "2026-02-01T00:00:00.007+0000"
    assert (change.data["BillingStreet"], change.data["BillingCity"]) == ("1-2-3", "Shibuya")
    assert not {"BillingAddress", "Unmirrored__c", "ChangeEventHeader"} & set(change.data)


def test_an_update_holds_only_the_fields_that_changed():
    body = {"Status": "Approved", "LastModifiedDate": COMMITTED}
    (change,) = decoded("UPDATE", body, changedFields=["0x88"])
    assert change.kind == "partial"
    assert set(change.data) == {"Status", "LastModifiedDate"}
    assert change.owner_id is None


def test_a_field_that_became_empty_is_null_and_one_that_was_left_alone_is_absent():
    (change,) = decoded("UPDATE", {"LastModifiedDate": COMMITTED}, changedFields=["0xC0"], nulledFields=["0x40"])
    assert change.data["TotalAmount"] is None
    assert "Status" not in change.data


def test_one_part_of_an_address_changes_without_touching_the_other():
    body = {"BillingAddress": {"Street": None, "City": "Osaka"}}
    (change,) = decoded("UPDATE", body, changedFields=["4-0x02"])
    assert change.data == {"BillingCity": "Osaka"}


def test_a_nested_null_counts_without_any_top_level_bitmap():
    (change,) = decoded("UPDATE", {"BillingAddress": {}}, changedFields=["4-0x01"], nulledFields=["4-0x01"])
    assert change.data == {"BillingStreet": None}


def test_a_merged_event_is_one_change_a_record():
    changes = decoded("UPDATE", {"Status": "Approved"}, ids=("801A", "801B"), changedFields=["0x08"])
    assert [(change.record_id, change.event_id) for change in changes] == [
        ("801A", "event-1:801A"),
        ("801B", "event-1:801B"),
    ]
    assert all(change.data == {"Status": "Approved"} for change in changes)


def test_a_delete_carries_no_data():
    (change,) = decoded("DELETE")
    assert (change.kind, change.data) == ("deleted", {})


@pytest.mark.parametrize("kind", ["GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "SNAPSHOT"])
def test_a_gap_is_a_hint_to_read_again(kind):
    (change,) = decoded(kind)
    assert (change.kind, change.data) == ("hint", {})


@pytest.mark.parametrize("named", ["000000000000000AAA", "801*"])
def test_overflow_and_wildcard_speak_of_the_whole_entity(named):
    (change,) = decoded("GAP_OVERFLOW", ids=(named,))
    assert (change.kind, change.record_id) == ("hint", "*")


def test_a_text_sent_as_a_diff_of_a_mirrored_field_is_a_hint():
    (change,) = decoded("UPDATE", {"Status": "--- "}, changedFields=["0x08"], diffFields=["0x08"])
    assert change.kind == "hint"


@pytest.mark.parametrize(
    ("origin", "echo"),
    [
        ("com/salesforce/api/rest/66.0;client=portal", True),
        ("com/salesforce/api/rest/66.0;client=portal/", True),
        ("com/salesforce/api/rest/66.0;client=portal-admin", False),
        ("com/salesforce/api/soap/60.0;client=SfdcInternalAPI/", False),
        ("", False),
    ],
)
def test_an_echo_of_our_own_write_is_distinguished_from_a_staff_change(origin, echo):
    assert decoded("DELETE", origin=origin)[0].echo is echo


def account_schema():
    """Return the vendor's worked example: an Account of 23 fields."""
    names = [
        "ChangeEventHeader",
        "Name",
        "Type",
        "ParentId",
        "BillingAddress",
        "ShippingAddress",
        "Phone",
        "Fax",
        "AccountNumber",
        "Website",
        "Sic",
        "Industry",
        "AnnualRevenue",
        "NumberOfEmployees",
        "Ownership",
        "TickerSymbol",
        "Description",
        "Rating",
        "Site",
        "OwnerId",
        "CreatedDate",
        "CreatedById",
        "LastModifiedDate",
    ]
    kinds = {"BillingAddress": ADDRESS, "ShippingAddress": ADDRESS}
    return {"fields": [{"name": name, "type": ["null", kinds.get(name, "string")]} for name in names]}


@pytest.mark.parametrize(
    ("bitmaps", "names"),
    [
        (["0x400800"], ["Industry", "LastModifiedDate"]),
        (["0x400000", "4-0x01"], ["LastModifiedDate", "BillingStreet"]),
        (["0x410000"], ["Description", "LastModifiedDate"]),
        (["5-0x03"], ["ShippingStreet", "ShippingCity"]),
        ([], []),
    ],
)
def test_bitmaps_name_the_fields_of_the_vendors_examples(bitmaps, names):
    assert sorted(named_fields(account_schema(), bitmaps)) == sorted(names)


@pytest.mark.parametrize("bitmap", ["0x80000000", "4-0x80", "99-0x01", "1-0x01", "nonsense", "0xZZ"])
def test_a_bitmap_that_does_not_fit_the_schema_is_refused(bitmap):
    with pytest.raises((ValueError, IndexError)):
        list(named_fields(account_schema(), [bitmap]))


def test_the_eligibility_event_is_a_hint_for_its_account():
    event = {"CreatedDate": COMMITTED, "CreatedById": "005", "Account_Id__c": "001A"}
    (change,) = changes_of("event-2", {"fields": []}, event, NOW)
    assert (change.object, change.record_id, change.owner_id, change.kind) == ("Account", "001A", "001A", "hint")


@pytest.mark.parametrize("created", [4_102_444_800_000, 10**18, None, "soon"])
def test_an_eligibility_event_of_no_possible_time_occurred_when_it_came(created):
    (change,) = changes_of("event-2", {"fields": []}, {"CreatedDate": created, "Account_Id__c": "001A"}, NOW)
    assert change.occurred_at == NOW


def test_an_entity_that_is_not_mirrored_yields_nothing():
    payload = {"ChangeEventHeader": {"entityName": "Lead"}}
    assert changes_of("event-3", {"fields": []}, payload, NOW) == []
