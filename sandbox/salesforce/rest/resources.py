"""Dispatch of a call to its REST resource, and the name under which the call is logged."""

from typing import Any

from sandbox.salesforce.rest.call import Call, Reply
from sandbox.salesforce.rest.collections import collection, tree
from sandbox.salesforce.rest.composite import batch, composite
from sandbox.salesforce.rest.errors import not_found
from sandbox.salesforce.rest.query import query
from sandbox.salesforce.rest.rows import rows

_VERBS = {"GET": "get", "PATCH": "update", "DELETE": "delete", "POST": "create"}


def dispatch(call: Call) -> Reply:
    """Return the answer of the resource that the path names.

    Raises:
        SalesforceError: the refusal, NOT_FOUND for an unknown resource.
    """
    match call.parts:
        case () | ("",):
            names = ("sobjects", "query", "queryAll", "composite", "limits")
            return Reply(body={name: f"{call.root}/{name}" for name in names})
        case ("sobjects", *_):
            return rows(call)
        case ("query" | "queryAll", *_):
            return query(call)
        case ("composite",):
            return composite(call, dispatch)
        case ("composite", "batch"):
            return batch(call, dispatch)
        case ("composite", "sobjects", *_):
            return collection(call)
        case ("composite", "tree", *_):
            return tree(call)
        case ("limits",):
            return Reply(body=_limits(call))
        case ("event", "eventSchema", schema_id):
            return _schema(call, schema_id)
    raise not_found()


def _limits(call: Call) -> dict[str, Any]:
    quota = call.org.quota
    remaining = 0 if quota.exhausted else max(0, quota.limit - quota.used)
    return {
        "DailyApiRequests": {"Max": quota.limit, "Remaining": remaining},
        "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
        "HourlyPublishedPlatformEvents": {"Max": 250_000, "Remaining": 250_000},
        "DailyDeliveredPlatformEvents": {"Max": 25_000, "Remaining": 25_000},
    }


def _schema(call: Call, schema_id: str) -> Reply:
    schema = call.org.bus.schemas.get(schema_id)
    if schema is None:
        raise not_found()
    return Reply(body={"uuid": schema.id, "schema": schema.json})


def operation(method: str, parts: tuple[str, ...]) -> str:
    """Return a call's name in the log: `query`, `sobjects.create:Order`, `sobjects.upsert:Order`, `composite.batch`."""
    match parts:
        case ():
            return "resources"
        case ("sobjects", name, "describe" | "updated" | "deleted" as word):
            return f"sobjects.{word}:{name}"
        case ("sobjects", name):
            return f"sobjects.{_VERBS.get(method, method.lower())}:{name}"
        case ("sobjects", name, key, _) if method == "PATCH" and key:
            return f"sobjects.upsert:{name}"
        case ("sobjects", name, *_):
            return f"sobjects.{_VERBS.get(method, method.lower())}:{name}"
        case ("query" | "queryAll", _):
            return "query.more"
        case ("composite", word, *_):
            return f"composite.{word}"
    return parts[0]
