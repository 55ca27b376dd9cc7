"""Resources under /sobjects: rows, upsert by external id, describe, updated and deleted, platform events."""

import base64
from typing import Any

from sandbox.salesforce.bus.platform_events import publish_event
from sandbox.salesforce.org.ids import PREFIXES, full_id, make_id
from sandbox.salesforce.org.values import Row, parse_datetime, row_url, show, show_datetime
from sandbox.salesforce.rest.call import Call, Reply
from sandbox.salesforce.rest.errors import SalesforceError, not_found
from sandbox.salesforce.rest.intake import external_id
from sandbox.salesforce.schema.describe import describe, summary
from sandbox.salesforce.schema.fields import SObject
from sandbox.salesforce.schema.objects import EVENTS
from sandbox.salesforce.soql.run import Runner
from sandbox.salesforce.soql.syntax import parse


def rows(call: Call) -> Reply:
    """Everything under /sobjects."""
    if len(call.parts) == 1:
        call.allow("GET")
        listed = [summary(call.root, each) for each in call.org.objects.values()]
        return Reply(body={"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed})
    if call.parts[1] in EVENTS:
        return _event(call, call.parts[1])
    sobject = call.sobject(call.parts[1])
    if len(call.parts) == 2:
        return _object(call, sobject)
    word, rest = call.parts[2], call.parts[3:]
    if word == "describe" and not rest:
        return Reply(body=describe(call.root, sobject))
    if word in ("updated", "deleted") and not rest:
        return _history(call, sobject, word)
    if word == "Id" and not rest:
        call.allow("POST")
        return _create(call, sobject)
    if full_id(word) and not (rest and word.lower() in sobject.by_lower):
        return _row(call, sobject, str(full_id(word))) if not rest else _related(call, sobject, word, rest)
    if len(rest) == 1 and word.lower() in sobject.by_lower:
        return _by_external_id(call, sobject, word, rest[0])
    raise not_found()


def _object(call: Call, sobject: SObject) -> Reply:
    call.allow("GET", "POST")
    if call.method == "POST":
        return _create(call, sobject)
    return Reply(body={"objectDescribe": summary(call.root, sobject), "recentItems": []})


def _create(call: Call, sobject: SObject) -> Reply:
    record_id = call.work.create(sobject.name, call.document())
    location = {"Location": row_url(call.version, sobject.name, record_id)}
    return Reply(201, {"id": record_id, "success": True, "errors": []}, location)


def _row(call: Call, sobject: SObject, record_id: str) -> Reply:
    call.allow("GET", "PATCH", "DELETE")
    if call.method == "GET":
        row = call.work.must(sobject.name, record_id)
        return Reply(body=shown(call.version, sobject, row, call.params.get("fields")))
    if call.method == "PATCH":
        call.work.update(sobject.name, record_id, call.document())
    else:
        call.work.delete(sobject.name, record_id)
    return Reply(204)


def shown(version: str, sobject: SObject, row: Row, names: str | None = None) -> Row:
    """Return a row as GET answers it: all fields, or the comma-separated ones.

    Raises:
        SalesforceError: INVALID_FIELD for an unknown name.
    """
    chosen = list(sobject.fields)
    if names:
        asked = [name.strip().lower() for name in names.split(",") if name.strip()]
        unknown = next((name for name in asked if name not in sobject.by_lower), None)
        if unknown:
            raise SalesforceError("INVALID_FIELD", f"No such column '{unknown}' on entity '{sobject.name}'.")
        chosen = [sobject.by_lower[name] for name in dict.fromkeys(["id", *asked])]
    attributes = {"type": sobject.name, "url": row_url(version, sobject.name, row["Id"])}
    return {"attributes": attributes} | {each.name: show(each, row) for each in chosen}


def _by_external_id(call: Call, sobject: SObject, key: str, value: str) -> Reply:
    call.allow("GET", "PATCH", "DELETE")
    if call.method == "PATCH":
        only = call.params.get("updateOnly", "").lower() == "true"
        record_id, created = call.work.upsert(sobject.name, key, value, call.document(), update_only=only)
        body = {"id": record_id, "success": True, "errors": [], "created": created}
        location = {"Location": row_url(call.version, sobject.name, record_id)} if created else {}
        return Reply(201 if created else 200, body, location)
    each = external_id(sobject, key)
    found = [row for row in call.org.find(sobject.name, each.name, value) if not row["IsDeleted"]]
    if not found:
        raise not_found()
    return _row(call, sobject, found[0]["Id"])


def _related(call: Call, sobject: SObject, word: str, rest: tuple[str, ...]) -> Reply:
    """Return a parent's row, the rows of a child relationship, or a file's content."""
    call.allow("GET")
    row = call.work.must(sobject.name, str(full_id(word)))
    each = sobject.by_lower.get(rest[0].lower())
    if each is not None and each.kind == "base64" and len(rest) == 1:
        return Reply(body=base64.b64decode(row[each.name]))
    parent = sobject.parents.get(rest[0].lower())
    if len(rest) != 1:
        raise not_found()
    if parent is not None and row.get(parent.name):
        found = call.work.must(parent.target, row[parent.name])
        return Reply(body=shown(call.version, call.org.objects[parent.target], found, call.params.get("fields")))
    if rest[0] not in sobject.children:
        raise not_found()
    name, field_name = sobject.children[rest[0]]
    fields = call.params.get("fields") or ",".join(each.name for each in call.org.objects[name].fields)
    query = parse(f"SELECT {fields} FROM {name} WHERE {field_name} = '{row['Id']}'")
    total, records = Runner(call.org, call.version).run(query)
    return Reply(body={"totalSize": total, "done": True, "records": records})


def _history(call: Call, sobject: SObject, word: str) -> Reply:
    """Ids changed, or rows deleted, between two instants."""
    call.allow("GET")
    try:
        start, end = (parse_datetime(call.params[name].replace(" ", "+")) for name in ("start", "end"))
    except (KeyError, ValueError):
        raise SalesforceError("INVALID_REPLICATION_DATE", "start and end must be ISO datetimes") from None
    table = call.org.tables[sobject.name].values()
    span: list[Row] = [row for row in table if start <= row.get("SystemModstamp", 0) <= end]
    covered = show_datetime(end)
    if word == "updated":
        return Reply(body={"ids": [row["Id"] for row in span if not row["IsDeleted"]], "latestDateCovered": covered})
    gone: list[dict[str, Any]] = [
        {"id": row["Id"], "deletedDate": show_datetime(row["SystemModstamp"])} for row in span if row["IsDeleted"]
    ]
    earliest = show_datetime(start)
    return Reply(
        body={"deletedRecords": gone, "earliestDateAvailable": earliest, "latestDateCovered": covered},
    )


def _event(call: Call, name: str) -> Reply:
    """Publish a platform event: success, with the event's UUID among the errors, as the vendor answers."""
    if call.parts[2:] == ("eventSchema",):
        schema = call.org.schemas[name]
        return Reply(body={"uuid": schema.id, "schema": schema.json})
    call.allow("POST")
    uuid = publish_event(call.org, name, call.document(), now_ms=call.work.now_ms, user_id=call.work.user_id)
    note = {"statusCode": "OPERATION_ENQUEUED", "message": uuid, "fields": []}
    return Reply(201, {"id": make_id(PREFIXES["PlatformEvent"], 1), "success": True, "errors": [note]})
