"""The org as its integration user sees it."""

from dataclasses import replace

from sandbox.salesforce.org.org import Org
from sandbox.salesforce.org.permissions import Permissions
from sandbox.salesforce.org.values import Row
from sandbox.salesforce.schema.fields import SObject


def seen(org: Org, allowed: Permissions) -> Org:
    """Return the org without what the user may not see. The view is read-only."""
    if not (allowed.records or allowed.objects or allowed.fields):
        return org
    view = object.__new__(Org)
    view.__dict__.update(org.__dict__)
    view.objects = {
        name: _without(sobject, allowed) for name, sobject in org.objects.items() if name not in allowed.objects
    }
    view.tables = {name: _visible(rows, allowed) for name, rows in org.tables.items()}
    return view


def _without(sobject: SObject, allowed: Permissions) -> SObject:
    kept = tuple(each for each in sobject.fields if f"{sobject.name}.{each.name}" not in allowed.fields)
    return sobject if len(kept) == len(sobject.fields) else replace(sobject, fields=kept)


def _visible(rows: dict[str, Row], allowed: Permissions) -> dict[str, Row]:
    if rows.keys().isdisjoint(allowed.records):
        return rows
    return {record_id: row for record_id, row in rows.items() if record_id not in allowed.records}
