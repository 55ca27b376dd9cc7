"""The composite family that carries rows: /composite/sobjects collections and /composite/tree."""

from collections.abc import Callable
from typing import Any

from sandbox.salesforce.org.ids import full_id
from sandbox.salesforce.org.values import Row
from sandbox.salesforce.rest.call import Call, Reply
from sandbox.salesforce.rest.errors import SalesforceError, not_found
from sandbox.salesforce.rest.rows import shown

MOST_ROWS = 200

_ROLLED_BACK = {
    "statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "message": "Record rolled back because not all records were valid and the request was using AllOrNone header",
    "fields": [],
}


def collection(call: Call) -> Reply:
    """/composite/sobjects: create, update, upsert, delete or read up to 200 rows, in request order."""
    call.allow("GET", "POST", "PATCH", "DELETE")
    if call.method == "DELETE":
        ids = [each for each in call.params.get("ids", "").split(",") if each]
        return _each(call, ids, lambda given: _delete(call, given), call.params.get("allOrNone", "") == "true")
    if call.method == "GET" or (call.method == "POST" and len(call.parts) == 3):
        return _read(call)
    records = call.document().get("records")
    if not isinstance(records, list):
        raise SalesforceError("JSON_PARSER_ERROR", "records must be a list")
    work = {"POST": _create, "PATCH": _update}[call.method]
    if len(call.parts) == 4:
        work = _upsert
    return _each(call, records, lambda row: work(call, row), bool(call.document().get("allOrNone")))


def _each(call: Call, items: list[Any], work: Callable[[Any], Row], all_or_none: bool) -> Reply:
    if len(items) > MOST_ROWS:
        raise SalesforceError("INVALID_INPUT", f"The number of records exceeds the limit of {MOST_ROWS}")
    start, results, failed = call.work.mark(), [], False
    for item in items:
        mark = call.work.mark()
        try:
            results.append(work(item) | {"success": True, "errors": []})
        except SalesforceError as error:
            call.work.rollback(mark)
            results.append({"success": False, "errors": error.collection()})
            failed = True
    if failed and all_or_none:
        call.work.rollback(start)
        results = [{"success": False, "errors": each["errors"] or [_ROLLED_BACK]} for each in results]
    return Reply(body=results)


def _type_of(row: Row) -> str:
    kind = (row.get("attributes") or {}).get("type")
    if not kind:
        raise SalesforceError("INVALID_INPUT", "Each record needs attributes.type")
    return str(kind)


def _create(call: Call, row: Row) -> Row:
    return {"id": call.work.create(call.sobject(_type_of(row)).name, row)}


def _identity(row: Row) -> str:
    given = str(row.get("id") or row.get("Id") or "")
    known = full_id(given)
    if known is None:
        raise SalesforceError("MALFORMED_ID", f"malformed id {given}", ["Id"])
    return known


def _update(call: Call, row: Row) -> Row:
    record_id = _identity(row)
    values = {key: value for key, value in row.items() if key not in ("id", "Id")}
    call.work.update(call.sobject(_type_of(row)).name, record_id, values)
    return {"id": record_id}


def _upsert(call: Call, row: Row) -> Row:
    name, key = call.sobject(call.parts[2]).name, call.parts[3]
    if key == "Id":
        return _update(call, row) | {"created": False} if row.get("id") or row.get("Id") else _create(call, row)
    values = {field: value for field, value in row.items() if field != key}
    record_id, created = call.work.upsert(name, key, str(row.get(key)), values)
    return {"id": record_id, "created": created}


def _delete(call: Call, given: str) -> Row:
    record_id = _identity({"id": given})
    name = call.org.object_of(record_id)
    if name is None:
        raise not_found()
    call.work.delete(name, record_id)
    return {"id": record_id}


def _read(call: Call) -> Reply:
    if len(call.parts) != 3:
        raise not_found()
    sobject = call.sobject(call.parts[2])
    if call.method == "GET":
        ids, fields = call.params.get("ids", "").split(","), call.params.get("fields", "")
    else:
        ids, fields = call.document().get("ids", []), ",".join(call.document().get("fields", []))
    found = [call.work.live(sobject.name, full_id(each)) for each in ids]
    return Reply(body=[shown(call.version, sobject, row, fields) if row else None for row in found])


def tree(call: Call) -> Reply:
    """/composite/tree/{object}: nested rows, all or none."""
    call.allow("POST")
    if len(call.parts) != 3:
        raise not_found()
    made: list[Row] = []
    for record in call.document().get("records", []):
        failure = _plant(call, call.sobject(call.parts[2]).name, record, {}, made)
        if failure:
            call.work.rollback()
            return Reply(400, {"hasErrors": True, "results": [failure]})
    return Reply(201, {"hasErrors": False, "results": made})


def _plant(call: Call, name: str, record: Row, parent: Row, made: list[Row]) -> Row | None:
    """Create a row and those below it; the failure, if any."""
    reference = (record.get("attributes") or {}).get("referenceId")
    children = call.org.objects[name].children
    nested = {key: value for key, value in record.items() if isinstance(value, dict) and "records" in value}
    try:
        record_id = call.work.create(name, {key: each for key, each in record.items() if key not in nested} | parent)
        made.append({"referenceId": reference, "id": record_id})
        for key, value in nested.items():
            if key not in children:
                raise SalesforceError("INVALID_FIELD", f"No such relationship '{key}' on {name}")
            child, field_name = children[key]
            for each in value["records"]:
                failure = _plant(call, child, each, {field_name: record_id}, made)
                if failure:
                    return failure
    except SalesforceError as error:
        return {"referenceId": reference, "errors": error.collection()}
    return None
