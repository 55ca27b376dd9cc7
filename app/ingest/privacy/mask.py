"""Masking of records for operators: ids, states, amounts and dates stay visible, personal data does not.

Everything not known to be harmless is masked, so that an unforeseen field is masked too.
"""

import re
from collections.abc import Iterator
from typing import Any

HARMLESS = re.compile(
    r"id|ids|relid|refundid|\w+_ids?|\w+Id|WHMCS_\w+_ID__c|\w*[Ss]tatus(__c)?|\w+Error_Code__c"
    r"|date|datepaid|last_capture_attempt|\w*duedate|regdate|\w+Date|SystemModstamp"
    r"|(sub)?total|TotalAmount|tax2?|taxrate2?|taxed|ccgateway|credit|balance|\w*amount(in|out)?|UnitPrice|currency(_?code)?"
    r"|Billed_\w+__c|Billing_(Currency|Tax_Included)__c|CurrencyIsoCode|[Qq]uantity|billingcycle|type|object|schema_id|error"
)
"""Field names whose values are not personal."""
_EMAIL = re.compile(r"[^\s'\"<>]+@[^\s'\"<>]+")
_SHORTEST_IN_TEXT = 3
"""Shorter values are not masked in errors: that would hide half of the sentence."""


def masked(data: Any, name: str = "") -> Any:
    """Return the same structure with possibly personal values replaced by their length."""
    if isinstance(data, dict):
        return {key: masked(value, str(key)) for key, value in data.items()}
    if isinstance(data, list):
        return [masked(value, name) for value in data]
    if data is None or isinstance(data, bool) or HARMLESS.fullmatch(name):
        return data
    return _mask(str(data))


def masked_text(text: str, data: Any) -> str:
    """Mask the personal values of a record in the error or stack it caused."""
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
