"""Bitmaps against the worked examples of the vendor's documentation."""

import pytest

from sandbox.salesforce.bus.avro import bitmaps, change_schema
from sandbox.salesforce.schema.fields import Field, SObject, address

DOCUMENTED = SObject(
    "Account",
    "Account",
    "001",
    (
        *(Field(name, "string") for name in ("Name", "Type", "ParentId")),
        *address("BillingAddress"),
        *address("ShippingAddress"),
        *(Field(name, "string") for name in ("Phone", "Fax", "AccountNumber", "Website", "Sic", "Industry")),
        *(Field(name, "double") for name in ("AnnualRevenue", "NumberOfEmployees")),
        *(Field(name, "string") for name in ("Ownership", "TickerSymbol", "Description", "Rating", "Site", "OwnerId")),
        *(Field(name, "string") for name in ("CreatedDate", "CreatedById", "LastModifiedDate")),
    ),
)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"Industry", "LastModifiedDate"}, ["0x400800"]),
        ({"LastModifiedDate", "BillingStreet"}, ["0x400000", "4-0x01"]),
        ({"Description", "LastModifiedDate"}, ["0x410000"]),
        ({"BillingCity"}, ["4-0x02"]),
        (set(), []),
    ],
)
def test_changed_fields_are_encoded_as_documented(changed, expected):
    assert bitmaps(change_schema(DOCUMENTED), DOCUMENTED, changed) == expected
