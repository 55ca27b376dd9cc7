"""What an operator may see of a record without asking for more: ids, states, amounts and dates, but no person.

Everything is hidden that is not known to be harmless, so that a field nobody thought of stays hidden too.
"""

import re
from collections.abc import Iterator
from typing import Any

HARMLESS = re.compile(
    r"id|ids|relid|refundid|\w+_ids?|\w+Id|WHMCS_\w+_ID__c|\w*[Ss]tatus(__c)?|\w+Error_Code__c"
    r"|date|datepaid|last_capture_attempt|\w*duedate|regdate|\w+Date|SystemModstamp"
    r"|(sub)?total|TotalAmount|tax2?|taxrate2?|taxed|ccgateway|credit|balance|\w*amount(in|out)?|UnitPrice|currency(_?code)?"
    r"|[Qq]uantity|billingcycle|type|object|schema_id|error"
)
"""Names whose values say nothing of a person."""
_EMAIL = re.compile(r"[^\s'\"<>]+@[^\s'\"<>]+")
_SHORTEST_IN_TEXT = 3
"""Shorter values are not looked for in errors: they would hide half of the sentence."""


def masked(data: Any, name: str = "") -> Any:
    """The same structure; in place of what may be personal, how long it is."""
    if isinstance(data, dict):
        return {key: masked(value, str(key)) for key, value in data.items()}
    if isinstance(data, list):
        return [masked(value, name) for value in data]
    if data is None or isinstance(data, bool) or HARMLESS.fullmatch(name):
        return data
    return _mask(str(data))


def masked_text(text: str, data: Any) -> str:
    """An error or stack without the personal values of the record that caused it."""
    for value in sorted(set(_hidden(data)), key=len, reverse=True):
        if len(value) >= _SHORTEST_IN_TEXT:
            text = text.replace(value, _mask(value))
    return _EMAIL.sub(lambda found: _mask(found.group()), text)


def _hidden(data: Any, name: str = "") -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _hidden(value, str(key))
    elif isinstance(data, list):
        for value in data:
            yield from _hidden(value, name)
    elif masked(data, name) != data:
        yield str(data)


def _mask(value: str) -> str:
    return f"‹{len(value)} characters›"
