"""The differences between two OpenAPI documents that break a client of the first one.

A client may send everything the first document allows, and may rely on everything it promises. So requests may only
become wider and answers only narrower, apart from new values of an enum: clients must expect those.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from app.http.openapi.parts import operations, resolved

Part = Mapping[str, Any]
BOUNDS = (("maxLength", 1), ("maxItems", 1), ("maximum", 1), ("minLength", -1), ("minItems", -1), ("minimum", -1))
"""Bounds of a request, with 1 where a smaller value is narrower and -1 where a larger one is."""
NEW_RULES = ("pattern", "format", "const", "multipleOf", "uniqueItems", "exclusiveMinimum", "exclusiveMaximum")
"""Further rules of a request: none may be added, and none may change."""
DEEPEST = 8
Security = list[dict[str, frozenset[str]]]
"""Alternatives, each with the schemes that it needs together and their scopes."""


def breaking(old: Part, new: Part) -> list[str]:
    """List every breaking difference as one sentence."""
    now = {(path, method): operation for path, method, operation in operations(dict(new))}
    found = list(_schemes(old, new))
    for path, method, before in operations(dict(old)):
        where = f"{method.upper()} {path}"
        after = now.get((path, method))
        if after is None:
            found.append(f"{where}: removed")
            continue
        found += [f"{where}: {each}" for each in _operation(old, new, before, after)]
    return found


def _operation(old: Part, new: Part, before: Part, after: Part) -> Iterator[str]:
    if before["operationId"] != after["operationId"]:
        yield f"renamed from {before['operationId']} to {after['operationId']}"
    yield from _security(_required(old, before), _required(new, after))
    yield from _parameters(old, new, before, after)
    yield from _bodies(old, new, before, after)
    yield from _answers(old, new, before, after)


def _security(was: Security, now: Security) -> Iterator[str]:
    """Compare who may call: whoever could must still be able to."""
    if not was and now:
        yield "needs a session now"
    elif now:
        for each in was:
            if not any(_is_enough(each, another) for another in now):
                yield f"cannot be called with {' and '.join(sorted(each)) or 'nothing'} any more"


def _is_enough(given: dict[str, frozenset[str]], wanted: dict[str, frozenset[str]]) -> bool:
    return all(scheme in given and scopes <= given[scheme] for scheme, scopes in wanted.items())


def _required(document: Part, operation: Part) -> Security:
    found = operation.get("security", document.get("security", []))
    return [{scheme: frozenset(scopes) for scheme, scopes in each.items()} for each in found]


def _schemes(old: Part, new: Part) -> Iterator[str]:
    """Compare how credentials are sent; the sentences about them may change."""
    was, now = (each.get("components", {}).get("securitySchemes", {}) for each in (old, new))
    for name, scheme in was.items():
        told = {key: value for key, value in now.get(name, {}).items() if key != "description"}
        if told != {key: value for key, value in scheme.items() if key != "description"}:
            yield f"the credentials {name} are sent in another way, or not at all"


def _parameters(old: Part, new: Part, before: Part, after: Part) -> Iterator[str]:
    was, now = _named(old, before), _named(new, after)
    for key, each in was.items():
        if key not in now:
            yield f"the {key[0]} parameter {key[1]} is not taken any more"
        else:
            yield from _request(old, new, each.get("schema", {}), now[key].get("schema", {}), key[1], 0)
    for key, each in now.items():
        if each.get("required") and not was.get(key, {}).get("required"):
            yield f"the {key[0]} parameter {key[1]} is required now"


def _named(document: Part, operation: Part) -> dict[tuple[str, str], Part]:
    found = (resolved(document, each) for each in operation.get("parameters", []))
    return {(each["in"], each["name"]): each for each in found}


def _bodies(old: Part, new: Part, before: Part, after: Part) -> Iterator[str]:
    was, now = before.get("requestBody"), after.get("requestBody")
    if now is None:
        if was is not None:
            yield "takes no body any more"
        return
    if was is None:
        if now.get("required"):
            yield "needs a body now"
        return
    if now.get("required") and not was.get("required"):
        yield "needs a body now"
    yield from (f"does not take {each} any more" for each in sorted(set(was["content"]) - set(now["content"])))
    yield from _request(old, new, _content(was), _content(now), "", 0)


def _answers(old: Part, new: Part, before: Part, after: Part) -> Iterator[str]:
    for status, reference in before["responses"].items():
        if status >= "400":
            continue
        if status not in after["responses"]:
            yield f"does not answer {status} any more"
            continue
        was, now = resolved(old, reference), resolved(new, after["responses"][status])
        for name in sorted(_headers(old, was) - _headers(new, now)):
            yield f"the header {name} of {status} is gone"
        if "content" in was:
            kinds = set(was["content"]) - set(now.get("content", {}))
            yield from (f"does not answer {each} any more" for each in sorted(kinds))
            yield from _answer(old, new, _content(was), _content(now), "", 0)


def _headers(document: Part, answer: Part) -> set[str]:
    """Return the headers of an answer, with those that the document promises for every answer."""
    return set(answer.get("headers", {})) | set(document.get("x-headers-of-every-answer", {}))


def _content(part: Part) -> Part:
    contents = part.get("content", {})
    return next(iter(contents.values())).get("schema", {}) if contents else {}


def _request(old: Part, new: Part, was: Part, now: Part, at: str, depth: int) -> Iterator[str]:
    """Differences that refuse what was accepted before."""
    was, now = _plain(old, was), _plain(new, now)
    if depth > DEEPEST:
        return
    if gone := _kinds(old, was) - _kinds(new, now):
        yield f"{at or 'the body'} does not take {' or '.join(sorted(gone))} any more"
    if lost := set(_values(was)) - set(_values(now)):
        if _values(now):
            yield f"{at} does not take {', '.join(sorted(map(str, lost)))} any more"
    elif _values(now) and not _values(was):
        yield f"{at} takes only {', '.join(sorted(map(str, _values(now))))} now"
    yield from (f"{at or 'the body'} {each}" for each in _rules(was, now))
    yield from _variants(old, new, was, now, at, depth)
    fields, kept = was.get("properties", {}), now.get("properties", {})
    for name in sorted(set(now.get("required", ())) - set(was.get("required", ()))):
        yield f"{_path(at, name)} is required now"
    for name, each in fields.items():
        if name not in kept:
            yield f"{_path(at, name)} is not taken any more"
        else:
            yield from _request(old, new, each, kept[name], _path(at, name), depth + 1)
    if "items" in was and "items" in now:
        yield from _request(old, new, was["items"], now["items"], f"{at}[]", depth + 1)


def _rules(was: Part, now: Part) -> Iterator[str]:
    """Compare what a value must fulfil. A format may be told where none was, because it only annotates."""
    for bound, sign in BOUNDS:
        if bound in now and (bound not in was or sign * now[bound] < sign * was[bound]):
            yield f"has a narrower {bound}"
    for rule in NEW_RULES:
        if rule in now and now[rule] != was.get(rule) and (rule != "format" or rule in was):
            yield f"has another {rule}"
    if now.get("additionalProperties") is False and was.get("additionalProperties", True) is not False:
        yield "takes no further fields any more"


def _variants(old: Part, new: Part, was: Part, now: Part, at: str, depth: int) -> Iterator[str]:
    """Compare the alternatives of a request by their names."""
    before, after = (
        {each["$ref"]: each for each in part.get("oneOf") or part.get("anyOf") or () if "$ref" in each}
        for part in (was, now)
    )
    if not after:
        return
    for name, each in before.items():
        if name not in after:
            yield f"{at or 'the body'} does not take a {name.rsplit('/', 1)[1]} any more"
        else:
            yield from _request(old, new, each, after[name], at, depth + 1)


def _answer(old: Part, new: Part, was: Part, now: Part, at: str, depth: int) -> Iterator[str]:
    """Differences that take away what was promised before."""
    was, now = _plain(old, was), _plain(new, now)
    if depth > DEEPEST:
        return
    if added := _kinds(new, now) - _kinds(old, was):
        yield f"{at or 'the answer'} may be {' or '.join(sorted(added))} now"
    fields, kept = was.get("properties", {}), now.get("properties", {})
    for name, each in fields.items():
        if name not in kept:
            yield f"{_path(at, name)} is gone"
            continue
        if name in was.get("required", ()) and name not in now.get("required", ()):
            yield f"{_path(at, name)} may be left out now"
        yield from _answer(old, new, each, kept[name], _path(at, name), depth + 1)
    if "items" in was and "items" in now:
        yield from _answer(old, new, was["items"], now["items"], f"{at}[]", depth + 1)


def _path(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _plain(document: Part, schema: Part) -> Part:
    """Follow a reference, and look through the alternative that is null."""
    schema = resolved(document, schema)
    options = [resolved(document, each) for each in schema.get("oneOf") or schema.get("anyOf") or ()]
    real = [each for each in options if each.get("type") != "null"]
    return {**schema, **real[0]} if len(real) == 1 else schema


def _kinds(document: Part, schema: Part) -> set[str]:
    """Return the JSON types that a schema allows; an integer counts as a number too where it was one."""
    options = [resolved(document, each) for each in schema.get("oneOf") or schema.get("anyOf") or ()]
    given = schema.get("type", [])
    own = {given} if isinstance(given, str) else set(given)
    found = own.union(*(_kinds(document, each) for each in options)) if options else own
    return found | ({"integer"} if "number" in found else set())


def _values(schema: Part) -> list[Any]:
    return [each for each in schema.get("enum", ()) if each is not None]
