"""Conditions that a body of fields must meet before it becomes a row: known and writable fields, valid values, existing
parents."""

from typing import Any

from sandbox.salesforce.org.org import Org
from sandbox.salesforce.org.values import Row, accept
from sandbox.salesforce.rest.errors import SalesforceError, deleted, dml
from sandbox.salesforce.schema.fields import Field, SObject


def clean(org: Org, sobject: SObject, values: Row, *, creating: bool) -> Row:
    """Return the fields as they are stored, with parents given by external id resolved.

    Raises:
        SalesforceError: INVALID_FIELD, INVALID_FIELD_FOR_INSERT_UPDATE, whatever `values.accept` raises, or a
            complaint about a parent.
    """
    row: Row = {}
    for key, value in values.items():
        if key == "attributes":
            continue
        each, value = _resolve(org, sobject, key, value)
        if not each.writable or (each.create_only and not creating):
            verb = "create" if creating else "update"
            message = (
                f"Unable to {verb} fields: {each.name}. Please check the security settings of this field and verify "
                "that it is read/write for your profile or permission set."
            )
            raise dml("INVALID_FIELD_FOR_INSERT_UPDATE", message, each.name)
        row[each.name] = accept(each, value)
        if each.kind == "reference" and row[each.name] is not None:
            _check_parent(org, each, row[each.name])
    return row


def _resolve(org: Org, sobject: SObject, key: str, value: Any) -> tuple[Field, Any]:
    each = sobject.by_lower.get(key.lower())
    if each is not None:
        return each, value
    parent = sobject.parents.get(key.lower())
    if parent is None or not isinstance(value, dict):
        message = f"No such column '{key}' on sobject of type {sobject.name}"
        raise SalesforceError("INVALID_FIELD", message)
    named = {name: given for name, given in value.items() if name != "attributes"}
    if len(named) != 1 or parent.target not in org.objects:
        raise SalesforceError("INVALID_FIELD", f"{key}: name the parent by one external id field")
    name, given = next(iter(named.items()))
    outer = external_id(org.objects[parent.target], name)
    found = [row for row in org.find(parent.target, outer.name, given) if not row["IsDeleted"]]
    if not found:
        message = f"Foreign key external ID: {given} not found for field {outer.name} in entity {parent.target}"
        raise dml("INVALID_FIELD", message)
    return parent, found[0]["Id"]


def _check_parent(org: Org, each: Field, record_id: str) -> None:
    row = org.get(each.target, record_id) if each.target in org.objects else None
    if row is None:
        if org.object_of(record_id) not in (None, each.target):
            message = f"{each.name}: id value of incorrect type: {record_id}"
            raise dml("FIELD_INTEGRITY_EXCEPTION", message, each.name)
        raise dml("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", each.name)
    if row["IsDeleted"]:
        raise deleted()


def external_id(sobject: SObject, name: str) -> Field:
    """Return an external id field by name, or raise INVALID_FIELD."""
    each = sobject.by_lower.get(name.lower())
    if each is None or not each.external_id:
        message = f"Provided external ID field does not exist or is not accessible: {name}"
        raise SalesforceError("NOT_FOUND", message, status=404)
    return each


def require(sobject: SObject, row: Row) -> None:
    """REQUIRED_FIELD_MISSING with every field that is missing."""
    missing = [each.name for each in sobject.fields if each.required and row.get(each.name) is None]
    if missing:
        message = f"Required fields are missing: [{', '.join(missing)}]"
        raise dml("REQUIRED_FIELD_MISSING", message, *missing)


def check_unique(org: Org, sobject: SObject, row: Row) -> None:
    """DUPLICATE_VALUE when another row has the external id; deleted rows give theirs up."""
    for each in sobject.fields:
        if not each.external_id or row.get(each.name) is None:
            continue
        for other in org.find(sobject.name, each.name, row[each.name]):
            if other["Id"] != row.get("Id") and not other["IsDeleted"]:
                message = f"duplicate value found: {each.name} duplicates value on record with id: {other['Id'][:15]}"
                raise dml("DUPLICATE_VALUE", message)
