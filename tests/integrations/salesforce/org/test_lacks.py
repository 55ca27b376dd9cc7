"""What an org lacks according to describe: nothing in a complete org, one sentence for each thing taken away."""

from dataclasses import replace

import pytest

from app.integrations.salesforce.org.lacks import lacks
from app.integrations.salesforce.org.needs import NEEDS
from sandbox.salesforce.schema.describe import describe
from sandbox.salesforce.schema.fields import SObject, pick
from sandbox.salesforce.schema.objects import OBJECTS


def of(sobject: SObject, **more: object) -> list[str]:
    return [
        f"{each.text} → {each.advice}"
        for each in lacks(sobject.name, NEEDS[sobject.name], describe("", sobject) | more)
    ]


def without(name: str, field: str) -> SObject:
    return replace(OBJECTS[name], fields=tuple(each for each in OBJECTS[name].fields if each.name != field))


def changed(name: str, field: str, **values: object) -> SObject:
    fields = (replace(each, **values) if each.name == field else each for each in OBJECTS[name].fields)  # type: ignore[arg-type]
    return replace(OBJECTS[name], fields=tuple(fields))


@pytest.mark.parametrize("name", NEEDS)
def test_a_whole_org_lacks_nothing(name):
    assert of(OBJECTS[name]) == []


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, need in NEEDS.items() for field in sorted(need.fields)]
)
def test_every_single_field_is_missed(name, field):
    (found,) = of(without(name, field))
    assert field in found


def test_a_missing_custom_field_comes_with_the_command_that_installs_it():
    (found,) = of(without("Order", "Domain__c"))
    assert "sf project deploy start --metadata CustomField:Order.Domain__c" in found


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, need in NEEDS.items() for field in sorted(need.writes)]
)
def test_every_field_that_is_written_must_be_writable(name, field):
    (found,) = of(changed(name, field, writable=False))
    assert found.startswith(f"not writable for the integration user: {field}")


def test_an_order_key_that_is_not_unique_is_no_key():
    (found,) = of(changed("Order", "Portal_Order_Key__c", external_id=False))
    assert "not a unique external id" in found


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, need in NEEDS.items() for field in sorted(need.words)]
)
def test_a_word_that_cannot_be_chosen_is_named(name, field):
    word = NEEDS[name].words[field][0]
    values = tuple(value for value in OBJECTS[name].by_name[field].values if value != word)
    (found,) = of(changed(name, field, values=values))
    assert f"“{word}”" in found
    assert "Object Manager" in found


@pytest.mark.parametrize("missing", ["createable", "updateable", "queryable"])
def test_a_missing_object_permission_is_named(missing):
    (found,) = of(OBJECTS["Order"], **{missing: False})
    assert missing in found
    assert "Customer_Portal_Integration" in found


def test_a_permission_that_is_not_used_is_not_missed():
    assert of(OBJECTS["Product2"], createable=False, updateable=False) == []


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, need in NEEDS.items() for field in sorted(need.limits)]
)
def test_a_field_that_takes_less_than_customers_may_write_is_named(name, field):
    limit = NEEDS[name].limits[field]
    assert of(changed(name, field, length=limit.most)) == []
    (found,) = of(changed(name, field, length=limit.most - 1))
    assert found.startswith(f"{field} takes {limit.most - 1} ")
    assert "Object Manager" in found


def test_bytes_are_compared_with_bytes():
    document = describe("", OBJECTS["CaseComment"])
    for each in document["fields"]:
        each["byteLength"] = 3_999 if each["name"] == "CommentBody" else 1
    (found,) = lacks("CaseComment", NEEDS["CaseComment"], document)
    assert found.text == "CommentBody takes 3999 bytes, and customers may write 4000"


@pytest.mark.parametrize(
    ("field", "values", "lacking"),
    [
        ("BillingCountry", ("Japan", "Kuwait"), ["BillingCountry"]),
        ("BillingCountry", ("JP", "KW"), []),
        ("BillingCountryCode", ("US",), ["BillingCountryCode"]),
        ("BillingCountryCode", ("JP", "US"), []),
    ],
)
def test_countries_that_are_a_picklist_must_have_the_codes_that_are_written(field, values, lacking):
    fields = tuple(each for each in OBJECTS["Order"].fields if each.name != field)
    org = replace(OBJECTS["Order"], fields=(*fields, pick(field, *values, restricted=True)))
    found = of(org)
    assert [each.split()[0] for each in found] == lacking
    assert all("State and Country/Territory Picklists" in each for each in found)
