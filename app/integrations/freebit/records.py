"""Freebit's answers about a line, parsed. Most field names are unverified; nothing else reads them."""

from collections.abc import Mapping
from typing import Any

from app.errors import UpstreamMalformed
from app.intake import parse
from app.intake.fields import Fields
from app.intake.text import scalar
from app.integrations.freebit.faults import FREEBIT
from app.integrations.freebit.shapes import LineDetail, LineState, LineUsage

ON = "10"
STATES: Mapping[str, LineState] = {
    "active": "active",
    "in_service": "active",
    "10": "active",
    "activating": "activating",
    "cancelled": "cancelled",
    "canceled": "cancelled",
}
VOICE_OPTIONS = {"voiceMail": "voice_mail", "callWaiting": "call_waiting", "callTransfer": "call_transfer"}
MOST_DAYS = 31


def line(account: str, rows: Any) -> LineDetail | None:
    """Parse the first entry, the only one that counts; an entry of another line is an error."""
    if rows in (None, "", [], {}):
        return None
    if not isinstance(rows, list) or not isinstance(rows[0], Mapping):
        raise UpstreamMalformed(FREEBIT, "detail", "responseDatas is not a list of objects")
    row = rows[0]
    _own("detail", account, row)
    voice = row.get("talkoption")
    given = voice if isinstance(voice, Mapping) else {}
    fields = Fields(FREEBIT, "line", "", row)  # its number would be the customer's
    texts = {name: fields.read(name, _text) or "" for name in ("eid", "planCode", "productNumber", "contractLine")}
    return LineDetail(
        account=account,
        state=STATES.get((scalar(row.get("state")) or scalar(row.get("status"))).strip().lower(), "unknown"),
        eid=texts["eid"],
        plan_code=texts["planCode"],
        product_number=texts["productNumber"],
        contract_line=texts["contractLine"],
        voice_options=tuple(name for word, name in VOICE_OPTIONS.items() if _is_on(given.get(word))),
    )


def usage(account: str, body: Mapping[str, Any]) -> LineUsage:
    """Parse usage in kilobytes, as text or number; the days before today are a list or comma separated.

    If one day cannot be read, none is reported: the others would be attributed to the wrong dates.

    Raises:
        UpstreamMalformed: today's usage cannot be read.
    """
    _own("usage", account, body)
    traffic = body.get("traffic")
    if not isinstance(traffic, Mapping):
        raise UpstreamMalformed(FREEBIT, "usage", "success without traffic")
    fields = Fields(FREEBIT, "traffic", "", traffic)
    today = fields.read("today", _kilobytes)
    if today is None:
        if not fields.says_nothing("today"):
            raise UpstreamMalformed(FREEBIT, "usage", "an amount that is no number")
        today = 0
    days = fields.read("inRecentDays", _days)
    return LineUsage(
        account=account,
        today_kilobytes=today,
        recent_days_kilobytes=days or (),
        limited=_is_on(traffic.get("blackList")),
    )


def _days(value: Any) -> tuple[int, ...] | None:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        return None
    found: list[int] = []
    for part in parts[:MOST_DAYS]:
        if scalar(part).strip() == "" and isinstance(part, str):
            continue
        amount = _kilobytes(part)
        if amount is None:
            return None
        found.append(amount)
    return tuple(found)


def _kilobytes(value: Any) -> int | None:
    """Parse kilobytes; a fraction is cut off."""
    amount = parse.money(value)
    return int(amount) if amount is not None and amount >= 0 else None


def _text(value: Any) -> str | None:
    return scalar(value).strip() if isinstance(value, str | int | float) else None


def _is_on(value: Any) -> bool:
    return scalar(value).strip() == ON


def _own(operation: str, account: str, row: Mapping[str, Any]) -> None:
    if (scalar(row.get("account")).strip() or account) != account:
        raise UpstreamMalformed(FREEBIT, operation, "another line than the one asked for")
