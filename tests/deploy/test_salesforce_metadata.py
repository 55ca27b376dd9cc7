"""`deploy/salesforce` is metadata as Salesforce takes it, and says the same as the code: no field more, none less."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.commands.orders.mapping import ACCESS_MODES, GENDERS, TYPES
from app.integrations.salesforce import wire
from app.integrations.salesforce.org.needs import CAPTURED, ELIGIBILITY_EVENT, NEEDS
from sandbox.salesforce.schema.objects import CAPTURED as SANDBOX_CAPTURED
from sandbox.salesforce.schema.objects import EVENTS, OBJECTS
from tests.deploy import metadata
from tests.deploy.metadata import NAMESPACE, SOURCE, every, field_permissions, flat, permission_set, tag, text, words
from tests.integrations.conftest import settings

APP = Path(wire.__file__).parents[2]
CUSTOM = re.compile(r"\b([A-Za-z]\w*__c)\b")
OBJECT = re.compile(r'FROM (\w+)|/sobjects/(\w+)|\.(?:create|update|upsert)\("(\w+)"')
FILES = sorted(SOURCE.rglob("*-meta.xml"))
FIELDS = {f"{name}.{text(field, 'fullName')}": (name, field) for name, field in metadata.fields()}
FOLDERS = {
    "fields": ("CustomField", "field"),
    "flows": ("Flow", "flow"),
    "layouts": ("Layout", "layout"),
    "listViews": ("ListView", "listView"),
    "quickActions": ("QuickAction", "quickAction"),
    "reports": ("ReportFolder", "reportFolder"),
    "Customer_Portal": ("Report", "report"),
    "reportTypes": ("ReportType", "reportType"),
    "permissionsets": ("PermissionSet", "permissionset"),
    "platformEventChannels": ("PlatformEventChannel", "platformEventChannel"),
    "platformEventChannelMembers": ("PlatformEventChannelMember", "platformEventChannelMember"),
}
KINDS = {
    "Text": "string",
    "LongTextArea": "textarea",
    "Picklist": "picklist",
    "Checkbox": "boolean",
    "Number": "double",
    "Currency": "currency",
    "Date": "date",
    "DateTime": "datetime",
    "Lookup": "reference",
}
"""Metadata type → what describe calls it."""
REQUIRED = {
    "Text": {"length", "required", "externalId", "unique"},
    "LongTextArea": {"length", "visibleLines"},
    "Picklist": {"valueSet", "required"},
    "Checkbox": {"defaultValue"},
    "Number": {"precision", "scale"},
    "Currency": {"precision", "scale"},
    "Date": {"required"},
    "DateTime": {"required"},
    "Lookup": {"referenceTo", "relationshipName", "relationshipLabel", "deleteConstraint"},
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_metadata_in_its_place(path):
    document = metadata.root(path)
    folder = path.parent.name
    if path.parents[1].name == "objects":
        kind, suffix = "CustomObject", "object"
        assert path.name == f"{folder}.object-meta.xml"
    else:
        kind, suffix = FOLDERS[folder]
    assert document.tag == NAMESPACE + kind
    assert path.name.endswith(f".{suffix}-meta.xml")
    assert path.read_text().startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    tags = [tag(child) for child in document]
    assert tags == sorted(tags, key=lambda name: (name != "fullName", name)), "in the order in which it is retrieved"


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_whole(name):
    field = FIELDS[name][1]
    given, kind = flat(field), text(field, "type")
    assert (SOURCE / "objects" / FIELDS[name][0] / "fields" / f"{given['fullName']}.field-meta.xml").exists()
    assert REQUIRED[kind] <= set(given)
    assert len(given["fullName"].removesuffix("__c")) <= 40
    assert 0 < len(given["label"]) <= 40
    assert 10 < len(given["description"]) <= 1000
    assert given["description"].endswith(".")
    if kind == "Text":
        assert 0 < int(given["length"]) <= 255
    if kind in ("Number", "Currency"):
        assert int(given["precision"]) <= 18
        assert int(given["scale"]) < int(given["precision"])
    if kind == "LongTextArea":
        assert 255 < int(given["length"]) <= 131_072
    if kind == "Picklist":
        assert words(field)
        assert len(words(field)) == len(set(words(field)))
        assert all(len(word) <= 255 for word in words(field))


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_as_the_stand_in_has_it(name):
    object_name, field = FIELDS[name]
    given = flat(field)
    known = {each.name: each for each in EVENTS.get(object_name, ())} or OBJECTS[object_name].by_name
    twin = known[given["fullName"]]
    assert KINDS[given["type"]] == twin.kind
    assert (given.get("externalId") == "true") == twin.external_id
    assert (given.get("unique") == "true") == twin.external_id
    if given["type"] in ("Text", "LongTextArea"):
        assert int(given["length"]) == twin.length
    if given["type"] == "Picklist":
        assert set(words(field)) <= set(twin.values)
        assert (text(field, "valueSet/restricted") == "true") == twin.restricted
    if given["type"] == "Lookup":
        assert given["referenceTo"] == twin.target


def test_what_is_installed_is_what_the_portal_needs():
    needed = {f"{name}.{field}" for name, need in NEEDS.items() for field in need.fields if field.endswith("__c")}
    event = {f"{ELIGIBILITY_EVENT}.{wire.ELIGIBILITY_EVENT_ACCOUNT}"}
    assert set(FIELDS) == needed | event


def test_what_the_portal_needs_is_what_the_code_names():
    named = {name for constant in constants() for name in CUSTOM.findall(constant)}
    needed = {field for need in NEEDS.values() for field in need.fields if field.endswith("__c")}
    objects = {name for name in NEEDS if name.endswith("__c")}
    assert named == needed | objects | {wire.ELIGIBILITY_EVENT_ACCOUNT}


def test_every_object_the_code_calls_is_needed():
    text_of_code = "\n".join(path.read_text() for path in APP.rglob("*.py") if "cli" not in path.parts)
    named = {next(filter(None, groups)) for groups in OBJECT.findall(text_of_code)}
    objects = {name for name in named if name in OBJECTS}
    assert {"Order", "Case", "Opportunity"} <= objects <= set(NEEDS)


def constants() -> Iterator[str]:
    """Every string of the code that is neither a docstring nor a pattern; the list of needs does not count as a use."""
    for path in APP.rglob("*.py"):
        if path.name == "needs.py":
            continue
        tree = ast.parse(path.read_text())
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if literal and id(node) not in docstrings and "\\" not in node.value:
                yield node.value


def test_every_needed_word_can_be_chosen():
    for name, need in NEEDS.items():
        for field, wanted in need.words.items():
            if field.endswith("__c"):
                assert set(wanted) <= set(words(FIELDS[f"{name}.{field}"][1])), f"{name}.{field}"
            assert set(wanted) <= set(OBJECTS[name].by_name[field].values), f"{name}.{field}"


def test_the_words_are_those_the_commands_write():
    order = NEEDS["Order"].words
    assert set(order["Order_Type__c"]) == {*TYPES.values(), "Other"}
    assert set(order["Access_Mode__c"]) == set(ACCESS_MODES.values())
    assert set(order["Porting_Gender__c"]) == set(GENDERS.values())


def test_no_more_is_granted_than_is_done():
    wanted: dict[str, bool] = {}
    for name, need in NEEDS.items():
        for field in need.fields:
            full = metadata.secured(name, field)
            if full:
                wanted[full] = wanted.get(full, False) or field in need.writes
    assert field_permissions() == wanted


def test_objects_are_granted_as_they_are_used():
    granted = {each["object"]: each for each in map(flat, every(permission_set(), "objectPermissions"))}
    own = {name: need for name, need in NEEDS.items() if name not in metadata.GOVERNED_BY}
    assert set(granted) == {*own, "Pricebook2", ELIGIBILITY_EVENT}
    for name, given in granted.items():
        need = own.get(name)
        assert given["allowRead"] == "true"
        assert (given["allowCreate"] == "true") == (need is not None and need.creates), name
        assert (given["allowEdit"] == "true") == (need is not None and need.updates), name
        assert (given["allowDelete"], given["modifyAllRecords"]) == ("false", "false")
    assert [flat(each)["name"] for each in every(permission_set(), "userPermissions")] == ["ApiEnabled"]
    assert text(permission_set(), "hasActivationRequired") == "false", "a session-based set grants an API user nothing"


def test_every_object_that_is_written_names_what():
    for name, need in NEEDS.items():
        assert bool(need.writes) == (need.creates or need.updates), name


def test_the_channel_carries_what_is_mirrored():
    folder = SOURCE / "platformEventChannels"
    (channel,) = [path.name.partition(".")[0] for path in folder.iterdir()]
    members = [flat(metadata.root(path)) for path in (SOURCE / "platformEventChannelMembers").iterdir()]
    assert settings().salesforce_channel == f"/data/{channel}"
    assert settings().salesforce_eligibility_topic == f"/event/{ELIGIBILITY_EVENT}"
    assert {each["eventChannel"] for each in members} == {channel}
    assert {each["selectedEntity"] for each in members} == {f"{name}ChangeEvent" for name in CAPTURED}
    assert set(CAPTURED) == set(SANDBOX_CAPTURED)
    assert len(members) <= 5, "more entities than an org without the add-on may select"


def test_the_flow_announces_what_staff_set_on_the_account():
    flow = metadata.root(SOURCE / "flows" / "Portal_Eligibility_Announcement.flow-meta.xml")
    assert text(flow, "recordCreates/object") == ELIGIBILITY_EVENT
    assert text(flow, "recordCreates/inputAssignments/field") == wire.ELIGIBILITY_EVENT_ACCOUNT
    watched = {text(each, "field") for each in every(flow, "start/filters")}
    assert watched == {"Internet_Eligibility__c", wire.ACCOUNT_ELIGIBILITY_STATUS}
    assert text(flow, "start/connector/targetReference") == text(flow, "recordCreates/name")
