"""Changes of administrators to the org's setup: picklists, places, currencies, permissions."""

from dataclasses import replace
from typing import Any

from sandbox.salesforce.org import places
from sandbox.salesforce.org.org import Org
from sandbox.salesforce.org.transaction import Transaction
from sandbox.salesforce.rest.errors import SalesforceError
from sandbox.salesforce.schema.fields import Field

Body = dict[str, Any]
PRICED = ("PricebookEntry", "Product2", "Order", "OrderItem", "Opportunity", "Account")
CURRENCIES = ("JPY", "USD")


def set_picklists(org: Org, work: Transaction, body: Body) -> Body:
    """`{"Account.Type": {"values": [...], "restricted": true}}`, and `"state_and_country": true`."""
    if body.get("state_and_country") and not org.places:
        for name, record_id, values in places.switch_on(org):
            work.set_system(name, record_id, values)
    for path, wanted in body.items():
        if path != "state_and_country":
            _set_picklist(org, path, wanted)
    return {"state_and_country": org.places}


def _set_picklist(org: Org, path: str, wanted: Any) -> None:
    name, _, field_name = path.partition(".")
    each = org.objects[name].by_name.get(field_name) if name in org.objects else None
    if each is None or not isinstance(wanted, dict):
        raise SalesforceError("INVALID_INPUT", f"{path} is no field, or what it becomes is no object")
    values = tuple(str(value) for value in wanted.get("values", each.values))
    org.replace_field(
        name, replace(each, kind="picklist", values=values, restricted=bool(wanted.get("restricted", True)))
    )


def keep_custom_fields(org: Org, body: Body) -> Body:
    """`{"Order": ["Domain__c", ...]}`: the object has these custom fields and no others, as if nothing else was ever
    installed."""
    for name, wanted in body.items():
        if name not in org.objects or not isinstance(wanted, list):
            raise SalesforceError("INVALID_INPUT", f"{name} is no object, or its fields are no list")
        org.keep_custom_fields(name, {str(each) for each in wanted})
    return {name: sorted(each.name for each in org.objects[name].fields if each.custom) for name in body}


def set_lengths(org: Org, body: Body) -> Body:
    """`{"Account.BillingCity": 40}`: how long a text may be."""
    for path, length in body.items():
        name, _, field_name = path.partition(".")
        each = org.objects[name].by_name.get(field_name) if name in org.objects else None
        if each is None or not isinstance(length, int) or length < 1:
            raise SalesforceError("INVALID_INPUT", f"{path} is no field, or its length is no whole number")
        org.replace_field(name, replace(each, length=length))
    return body


def use_currencies(org: Org, body: Body) -> Body:
    """`codes` (JPY and USD): several currencies; what there is already is in the first."""
    codes = tuple(str(each) for each in body.get("codes", CURRENCIES))
    currency = Field("CurrencyIsoCode", "picklist", values=codes, restricted=True, default=codes[0], length=3)
    for name in PRICED:
        if currency.name not in org.objects[name].by_name:
            org.extend(name, currency)
            for record_id, row in list(org.tables[name].items()):
                org.put(name, record_id, row | {currency.name: codes[0]})
    return {"codes": list(codes)}
