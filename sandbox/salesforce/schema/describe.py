"""Describe documents, made from the same fields that rows and events are made from."""

from typing import Any

from sandbox.salesforce.schema.fields import Field, SObject


def summary(root: str, sobject: SObject) -> dict[str, Any]:
    """Return an object as the list of objects shows it."""
    base = f"{root}/sobjects/{sobject.name}"
    urls = {"sobject": base, "describe": f"{base}/describe", "rowTemplate": base + "/{ID}"}
    return {
        "name": sobject.name,
        "label": sobject.label,
        "labelPlural": f"{sobject.label}s",
        "keyPrefix": sobject.prefix,
        "custom": sobject.name.endswith("__c"),
        **dict.fromkeys(("createable", "updateable", "deletable", "queryable", "retrieveable", "undeletable"), True),
        "urls": urls,
    }


def describe(root: str, sobject: SObject) -> dict[str, Any]:
    """Return an object with its fields and child relationships."""
    children = [
        {"childSObject": name, "field": field_name, "relationshipName": relationship, "cascadeDelete": False}
        for relationship, (name, field_name) in sobject.children.items()
    ]
    fields = [_field(each) for each in sobject.fields]
    return summary(root, sobject) | {"fields": fields, "childRelationships": children, "recordTypeInfos": []}


_SIZED = ("id", "reference", "string", "textarea", "picklist", "multipicklist", "email", "phone", "url")


def _byte_length(each: Field) -> int:
    """Three bytes a character, unless the length counts bytes."""
    if each.kind not in _SIZED:
        return 0
    return each.length if each.in_bytes else each.length * 3


def _field(each: Field) -> dict[str, Any]:
    values = [
        {"value": value, "label": value, "active": True, "defaultValue": value == each.default} for value in each.values
    ]
    return {
        "name": each.name,
        "label": each.name.removesuffix("__c").replace("_", " "),
        "type": each.kind,
        "length": each.length if each.kind in _SIZED else 0,
        "byteLength": _byte_length(each),
        "custom": each.custom,
        "createable": each.writable,
        "updateable": each.writable and not each.create_only,
        "nillable": not each.required and each.kind != "boolean",
        "defaultedOnCreate": each.default is not None,
        "defaultValue": each.default,
        "externalId": each.external_id,
        "unique": each.external_id,
        "idLookup": each.external_id or each.kind == "id",
        "filterable": each.kind not in ("address", "textarea", "base64"),
        "sortable": each.kind not in ("address", "textarea", "base64"),
        "calculated": False,
        "restrictedPicklist": each.restricted,
        "picklistValues": values,
        "referenceTo": [each.target] if each.target else [],
        "relationshipName": each.relationship or None,
    }
