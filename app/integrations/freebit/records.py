"""Freebit's answers about a line, taken apart. Most field names are unverified; nothing else reads them."""

from collections.abc import Mapping
from typing import Any

from app.errors import UpstreamMalformed
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
    """The first entry, which is the only one honoured; another line's is none of ours."""
    if not rows:
        return None
    if not isinstance(rows, list) or not isinstance(rows[0], Mapping):
        raise UpstreamMalformed(FREEBIT, "detail", "responseDatas is not a list of objects")
    row = rows[0]
    _own("detail", account, row)
    voice = row.get("talkoption")
    given = voice if isinstance(voice, Mapping) else {}
    return LineDetail(
        account=account,
        state=STATES.get(str(row.get("state") or row.get("status") or "").lower(), "unknown"),
        eid=str(row.get("eid") or ""),
        plan_code=str(row.get("planCode") or ""),
        product_number=str(row.get("productNumber") or ""),
        contract_line=str(row.get("contractLine") or ""),
        voice_options=tuple(name for word, name in VOICE_OPTIONS.items() if str(given.get(word)) == ON),
    )


def usage(account: str, body: Mapping[str, Any]) -> LineUsage:
    """Kilobytes, as text or number; the days before today as a list or with commas between them."""
    _own("usage", account, body)
    traffic = body.get("traffic")
    if not isinstance(traffic, Mapping):
        raise UpstreamMalformed(FREEBIT, "usage", "success without traffic")
    days = traffic.get("inRecentDays") or ()
    parts = days.split(",") if isinstance(days, str) else list(days)
    try:
        return LineUsage(
            account=account,
            today_kilobytes=int(traffic.get("today") or 0),
            recent_days_kilobytes=tuple(int(part) for part in parts[:MOST_DAYS] if str(part).strip()),
            limited=str(traffic.get("blackList")) == ON,
        )
    except (TypeError, ValueError) as error:
        raise UpstreamMalformed(FREEBIT, "usage", "an amount that is no number") from error


def _own(operation: str, account: str, row: Mapping[str, Any]) -> None:
    if str(row.get("account") or account) != account:
        raise UpstreamMalformed(FREEBIT, operation, "another line than the one asked for")
