"""WHERE conditions and field paths as functions over rows."""

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.salesforce.org.ids import full_id
from sandbox.salesforce.org.org import Org
from sandbox.salesforce.org.values import Row, parse_datetime
from sandbox.salesforce.rest.errors import SalesforceError, malformed_query
from sandbox.salesforce.schema.fields import Field, SObject
from sandbox.salesforce.soql.syntax import Compare, Condition, Literals, Path, Query

Getter = Callable[[Row], Any]
Test = Callable[[Row], bool]
SemiJoin = Callable[[Query], list[Any]]

_NUMBERS = ("int", "double", "currency", "percent")
_ORDERED = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
_RELATIVE = re.compile(r"(TODAY|YESTERDAY|TOMORROW|LAST_N_DAYS:\d+|NEXT_N_DAYS:\d+)", re.IGNORECASE)


def field_at(org: Org, sobject: SObject, path: Path) -> tuple[list[Field], Field]:
    """Return the references a path follows and the field it ends in.

    Raises:
        SalesforceError: INVALID_FIELD for an unknown field or relationship.
    """
    steps: list[Field] = []
    for name in path[:-1]:
        parent = sobject.parents.get(name.lower())
        if parent is None or parent.target not in org.objects:
            message = f"Didn't understand relationship '{name}' in field path."
            raise SalesforceError("INVALID_FIELD", message)
        steps.append(parent)
        sobject = org.objects[parent.target]
    each = sobject.by_lower.get(path[-1].lower())
    if each is None:
        message = (
            f"No such column '{path[-1]}' on entity '{sobject.name}'. If you are attempting to use a custom field, be "
            "sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for "
            "the appropriate names."
        )
        raise SalesforceError("INVALID_FIELD", message)
    return steps, each


def getter(org: Org, sobject: SObject, path: Path) -> Getter:
    """Return a function from a row to the stored value at a path; None when a parent is missing."""
    steps, each = field_at(org, sobject, path)
    default, name = (False if each.kind == "boolean" else None), each.name

    def read(row: Row) -> Any:
        for step in steps:
            parent = org.get(step.target, row.get(step.name) or "")
            if parent is None:
                return None
            row = parent
        value = row.get(name)
        return default if value is None else value

    return read


def compile_test(org: Org, sobject: SObject, condition: Condition, semi_join: SemiJoin) -> Test:
    """Return a function that tests whether a row satisfies a condition."""
    if isinstance(condition, Compare):
        return _comparison(org, sobject, condition, semi_join)
    parts = [compile_test(org, sobject, part, semi_join) for part in condition.parts]
    if condition.word == "NOT":
        return lambda row: not parts[0](row)
    if condition.word == "AND":
        return lambda row: all(part(row) for part in parts)
    return lambda row: any(part(row) for part in parts)


def _comparison(org: Org, sobject: SObject, compare: Compare, semi_join: SemiJoin) -> Test:
    read = getter(org, sobject, compare.path)
    each = field_at(org, sobject, compare.path)[1]
    if each.kind in ("address", "textarea", "base64"):
        message = f"field '{each.name}' can not be filtered in a query call"
        raise SalesforceError("INVALID_FIELD", message)
    if compare.operator in ("IN", "NOT IN"):
        wanted = _members(each, compare.operand, semi_join)
        inside = compare.operator == "IN"
        return lambda row: (folded(each, read(row)) in wanted) == inside
    value = folded(each, constant(each, compare.operand))
    if compare.operator == "LIKE":
        return _like(each, read, compare.operand)
    if compare.operator == "=":
        return lambda row: folded(each, read(row)) == value
    if compare.operator == "!=":
        return lambda row: folded(each, read(row)) != value
    if each.kind == "boolean" or value is None:
        raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", f"field '{each.name}' has no such order")
    test = _ORDERED[compare.operator]
    return lambda row: (found := folded(each, read(row))) is not None and bool(test(found, value))


def _members(each: Field, operand: Any, semi_join: SemiJoin) -> set[Any]:
    values = semi_join(operand) if isinstance(operand, Query) else [constant(each, literal) for literal in operand]
    return {folded(each, value) for value in values}


def _like(each: Field, read: Getter, operand: Literals) -> Test:
    if each.kind in (*_NUMBERS, "date", "datetime", "boolean", "reference", "id") or operand.kind != "string":
        message = f"invalid operator on {each.kind} field '{each.name}'"
        raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", message)
    wild = {"%": ".*", "_": "."}
    signs = re.findall(r"\\[%_]|.", operand.value, re.DOTALL)
    whole = "".join(wild.get(sign, re.escape(sign[-1])) for sign in signs)
    pattern = re.compile(whole, re.IGNORECASE | re.DOTALL)
    return lambda row: pattern.fullmatch(read(row) or "") is not None


def folded(each: Field, value: Any) -> Any:
    """Return a value as comparisons and sorting see it: text without case, ids and dates as they are."""
    plain = each.kind in ("reference", "id", "date")
    return value.lower() if isinstance(value, str) and not plain else value


def constant(each: Field, literal: Literals) -> Any:
    """Return a literal as it would be stored in a field.

    Raises:
        SalesforceError: INVALID_FIELD when the literal's type does not suit, INVALID_QUERY_FILTER_OPERATOR for a
            bad id.
    """
    word = literal.value.lower() if literal.kind == "word" else ""
    if word == "null":
        return False if each.kind == "boolean" else None
    if each.kind == "boolean" and word in ("true", "false"):
        return word == "true"
    if each.kind in ("date", "datetime"):
        return _moment(each, literal)
    if each.kind in _NUMBERS and literal.kind == "number":
        return float(literal.value)
    if each.kind in (*_NUMBERS, "boolean"):
        raise _wrong_type(each, "and should not be enclosed in quotes" if literal.kind == "string" else "")
    if literal.kind != "string":
        raise _wrong_type(each, "and should be enclosed in quotes")
    return _identity(each, literal.value) if each.kind in ("reference", "id") else literal.value


def _identity(each: Field, value: str) -> str:
    known = full_id(value)
    if known is None:
        raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {value}")
    return known


def _moment(each: Field, literal: Literals) -> str | int:
    if literal.kind == "word" and _RELATIVE.fullmatch(literal.value):
        day = _relative_day(literal.value.upper())
        return day.date().isoformat() if each.kind == "date" else int(day.timestamp() * 1000)
    if literal.kind != each.kind:
        raise _wrong_type(each, "and should not be enclosed in quotes" if literal.kind == "string" else "")
    try:
        return literal.value if each.kind == "date" else parse_datetime(literal.value)
    except ValueError:
        raise malformed_query(f"invalid {each.kind} literal: {literal.value}") from None


def _relative_day(word: str) -> datetime:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    name, _, count = word.partition(":")
    days = {"TODAY": 0, "YESTERDAY": -1, "TOMORROW": 1, "LAST_N_DAYS": -int(count or 0), "NEXT_N_DAYS": int(count or 0)}
    return today + timedelta(days=days[name])


def _wrong_type(each: Field, advice: str) -> SalesforceError:
    kind = "string" if each.kind not in (*_NUMBERS, "boolean", "date", "datetime") else each.kind
    message = f"value of filter criterion for field '{each.name}' must be of type {kind} {advice}".rstrip()
    return SalesforceError("INVALID_FIELD", message)
