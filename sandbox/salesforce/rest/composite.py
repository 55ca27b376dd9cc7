"""The composite family that carries whole requests: /composite and /composite/batch."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.salesforce.rest.call import Call, Reply
from sandbox.salesforce.rest.errors import SalesforceError

MOST_PARTS = 25

_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])+)\}")
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")
_BRACES = re.compile("%7[BD]", re.IGNORECASE)  # some clients quote the braces of a reference in a url
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

Dispatch = Callable[[Call], Reply]


def _halted(message: str) -> Reply:
    return Reply(400, [{"errorCode": "PROCESSING_HALTED", "message": message}])


_ROLLED_BACK = _halted(
    "The transaction was rolled back since another operation in the same transaction failed.",
)


def composite(call: Call, dispatch: Dispatch) -> Reply:
    """Run up to 25 requests that may refer to earlier answers; with `allOrNone`, all or none of them."""
    call.allow("POST")
    parts = _parts(call.document(), "compositeRequest")
    names = [str(part.get("referenceId", "")) for part in parts]
    if len(set(names)) != len(names) or not all(_NAME.fullmatch(name) for name in names):
        raise SalesforceError(
            "INVALID_INPUT", "Each referenceId must be a unique name of letters, digits and underscores"
        )
    all_or_none, failed = bool(call.document().get("allOrNone")), ""
    replies: dict[str, Reply] = {}
    for name, part in zip(names, parts, strict=True):
        replies[name] = _part(call, part, replies, dispatch)
        if replies[name].status >= 400 and all_or_none:
            failed = name
            break
    if failed:
        call.work.rollback()
        replies = {name: replies[name] if name == failed else _ROLLED_BACK for name in names}
    return Reply(body={"compositeResponse": [_shown(name, reply) for name, reply in replies.items()]})


def _parts(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    parts = document.get(key)
    if not isinstance(parts, list) or not parts:
        raise SalesforceError("JSON_PARSER_ERROR", f"{key} must be a list of requests")
    if len(parts) > MOST_PARTS:
        raise SalesforceError("LIMIT_EXCEEDED", f"The number of subrequests exceeds the limit of {MOST_PARTS}")
    return parts


def _shown(name: str, reply: Reply) -> dict[str, Any]:
    return {
        "body": reply.body,
        "httpHeaders": reply.headers,
        "httpStatusCode": reply.status,
        "referenceId": name,
    }


def _part(call: Call, part: dict[str, Any], replies: dict[str, Reply], dispatch: Dispatch) -> Reply:
    try:
        url = str(_resolve(_BRACES.sub(lambda match: unquote(match[0]), str(part.get("url", ""))), replies))
        body = _resolve(part.get("body"), replies)
    except LookupError as missing:
        return _halted(f"Invalid reference specified. No value for {missing.args[0]} found.")
    return _guarded(call, str(part.get("method", "")).upper(), url, body, dispatch)


def _guarded(call: Call, method: str, url: str, body: Any, dispatch: Dispatch) -> Reply:
    """One subrequest; its changes are undone when it fails."""
    mark = call.work.mark()
    split = urlsplit(url)
    path = split.path.removeprefix("/services/data/").strip("/").split("/")
    parts = tuple(unquote(segment) for segment in path[1:])
    params = dict(parse_qsl(split.query, keep_blank_values=True))
    try:
        if parts[:1] == ("composite",) and len(parts) == 1:
            raise SalesforceError("INVALID_INPUT", "A composite can't hold another")
        return dispatch(call.inner(method, parts, params, body))
    except SalesforceError as error:
        call.work.rollback(mark)
        return Reply(error.status, error.rest())


def _resolve(value: Any, replies: dict[str, Reply]) -> Any:
    """Return a value with every `@{name.path}` replaced. A LookupError names a path that leads nowhere."""
    if isinstance(value, dict):
        return {key: _resolve(each, replies) for key, each in value.items()}
    if isinstance(value, list):
        return [_resolve(each, replies) for each in value]
    if not isinstance(value, str):
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole:
        return _look_up(whole, replies)
    return _REFERENCE.sub(lambda match: str(_look_up(match, replies)), value)


def _look_up(match: re.Match[str], replies: dict[str, Reply]) -> Any:
    reply = replies.get(match[1])
    if reply is None or reply.status >= 400:
        raise LookupError(match[0])
    value = reply.body
    try:
        for name, index in _STEP.findall(match[2]):
            value = value[name] if name else value[int(index)]
    except (LookupError, TypeError):
        raise LookupError(match[0]) from None
    return value


def batch(call: Call, dispatch: Dispatch) -> Reply:
    """Up to 25 independent requests."""
    call.allow("POST")
    halt = bool(call.document().get("haltOnError"))
    results: list[dict[str, Any]] = []
    for part in _parts(call.document(), "batchRequests"):
        if halt and any(result["statusCode"] >= 400 for result in results):
            results.append(
                {"statusCode": 412, "result": [{"errorCode": "BATCH_PROCESSING_HALTED", "message": "Halted"}]}
            )
            continue
        url = "/services/data/" + str(part.get("url", "")).lstrip("/").removeprefix("services/data/")
        reply = _guarded(call, str(part.get("method", "")).upper(), url, part.get("richInput"), dispatch)
        results.append({"statusCode": reply.status, "result": reply.body})
    return Reply(body={"hasErrors": any(each["statusCode"] >= 400 for each in results), "results": results})


def loads(body: bytes) -> Any:
    """Return a request body, or raise JSON_PARSER_ERROR."""
    try:
        return json.loads(body) if body else None
    except ValueError as error:
        raise SalesforceError("JSON_PARSER_ERROR", f"Unexpected character or end of input: {error}") from None
