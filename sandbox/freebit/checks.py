"""The checks that Freebit makes before it accepts a request."""

import re
from datetime import date
from typing import Any

_KANA = re.compile(r"[゠-ヿ　]+")
UNKNOWN = ("404", "404", "account is unknown")
BUSY = ("409", "409", "another operation on this account is running")


class Refusal(Exception):
    """A refused request: result code, status code, message for operators."""

    def __init__(self, result_code: str, status_code: str, message: str) -> None:
        super().__init__(message)
        self.result_code = result_code
        self.status_code = status_code


def required(body: dict[str, Any], name: str) -> str:
    """Return a mandatory string, or refuse."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Refusal("400", "300", f"{name} is required")
    return value


def digits(value: object, count: int) -> bool:
    """Return whether a value is a string of exactly `count` ASCII digits."""
    return isinstance(value, str) and bool(re.fullmatch(rf"[0-9]{{{count}}}", value))


def checked_account(body: Any) -> str:
    """Return a phone number of 11 to 14 digits without hyphens, or refuse."""
    account = required(body if isinstance(body, dict) else {}, "account")
    if not re.fullmatch(r"[0-9]{11,14}", account):
        raise Refusal("400", "310", "account must have 11 to 14 digits")
    return account


def checked_mnp(mnp: Any, today: date) -> None:
    """Check a number transfer as the losing carrier does, and refuse what does not fit."""
    fields = mnp if isinstance(mnp, dict) else {}
    if not digits(fields.get("reserveNumber"), 10):
        raise Refusal("400", "330", "mnp.reserveNumber must have 10 digits")
    if not digits(fields.get("reserveExpireDate"), 8):
        raise Refusal("400", "331", "mnp.reserveExpireDate must be YYYYMMDD")
    if fields["reserveExpireDate"] < today.strftime("%Y%m%d"):
        raise Refusal("400", "332", "the MNP reservation has expired")
    for name in ("lastnameKanji", "firstnameKanji"):
        required(fields, name)
    if not all(_KANA.fullmatch(required(fields, name)) for name in ("lastnameZenKana", "firstnameZenKana")):
        raise Refusal("400", "333", "kana must be full-width katakana")
    if fields.get("gender") not in ("M", "W", "C"):
        raise Refusal("400", "334", "mnp.gender must be M, W or C")
    if not digits(fields.get("birthday"), 8):
        raise Refusal("400", "335", "mnp.birthday must be YYYYMMDD")
