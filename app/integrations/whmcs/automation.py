"""WHMCS's own automation: when its daily run was, what it did, and which of its tasks are switched on.

The log and its members `currentDatetime`, `lastDailyCronInvocationTime` and `statistics` are documented; how statistics
are grouped and the names of tasks and settings are those of WHMCS's own admin pages. So whatever is spelled otherwise
is unknown, and never a task that is off.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from app.errors import UpstreamAuthFailed, UpstreamNotFound, UpstreamRejected
from app.intake import parse, unreadable
from app.intake.fields import Fields
from app.integrations.whmcs.api import Api
from app.integrations.whmcs.faults import WHMCS
from app.integrations.whmcs.wire import text
from app.settings import BILLING_TASKS, BillingTask

ACTION = "GetAutomationLog"
STATISTICS: Mapping[BillingTask, tuple[str, tuple[str, ...]]] = {
    "captures": ("processcreditcardpayments", ("captured", "failures")),
    "late_fees": ("addlatefees", ("invoice.latefees",)),
    "reminders": ("invoicereminders", ("unpaid", "overdue.first", "overdue.second", "overdue.third")),
    "suspension": ("autosuspensions", ("suspended",)),
    "termination": ("autoterminations", ("terminations",)),
}
"""Task → WHMCS's name of it, and of the counters that say that it did anything; both in lower case."""
SWITCHES: Mapping[BillingTask, str] = {
    "late_fees": "InvoiceLateFeeAmount",
    "reminders": "SendReminder",
    "suspension": "AutoSuspension",
    "termination": "AutoTermination",
}
"""Task → the setting that switches it on. Nothing that the API tells switches captures off for the whole
installation."""
OFF = frozenset({"", "0", "off", "no", "false"})
ON = frozenset({"1", "on", "yes", "true"})


class AutomationLog(Struct, frozen=True):
    """What WHMCS says about its automation. `did` has the last day on which each task did anything, in the days asked
    for; it is None if the statistics cannot be read."""

    clock: datetime | None
    last_run_at: datetime | None
    did: Mapping[BillingTask, date] | None


class AutomationClient:
    """The calls about WHMCS's own automation."""

    def __init__(self, api: Api, zone: str) -> None:
        self._api, self._zone = api, ZoneInfo(zone)

    async def log(self, since: date) -> AutomationLog:
        """Read the log from a day on.

        Raises:
            UpstreamError, among them UpstreamAuthFailed while the API role lacks the action.
        """
        body = await self._api.call(ACTION, {"startdate": since.isoformat()})
        fields = Fields(WHMCS, "automation", "log", body)
        clock = fields.instant("currentDatetime", self._zone)
        last = fields.instant("lastDailyCronInvocationTime", self._zone)
        ahead = last is not None and clock is not None and last > clock
        return AutomationLog(clock, None if ahead else last, _did(body.get("statistics")))

    async def is_switched_on(self, task: BillingTask) -> bool | None:
        """Read whether a task is switched on; None if WHMCS does not say.

        Raises:
            UpstreamError: it was not asked, or did not answer.
        """
        if task not in SWITCHES:
            return None
        try:
            body = await self._api.call("GetConfigurationValue", {"setting": SWITCHES[task]})
        except (UpstreamAuthFailed, UpstreamRejected, UpstreamNotFound):
            return None
        return _is_on(body.get("value"), amount=task == "late_fees") if "value" in body else None


def _is_on(value: Any, *, amount: bool) -> bool | None:
    if value is not None and not isinstance(value, str | int | float):
        return None
    word = text(value).strip().lower()
    if amount and (money := parse.money(word)) is not None:
        return money != 0
    return False if word in OFF else True if word in ON else None


def _did(statistics: Any) -> dict[BillingTask, date] | None:
    """Return the last day on which each task counted anything.

    Statistics are `{day: {task: {counter: number}}}`; PHP writes what is empty as a list.
    """
    if statistics in ([], "", None):
        return {}
    if not isinstance(statistics, Mapping):
        unreadable.note(WHMCS, "automation", "statistics", "log")
        return None
    found: dict[BillingTask, date] = {}
    for day, task in _worked(statistics):
        found[task] = max(day, found.get(task, day))
    return found


def _worked(statistics: Mapping[str, Any]) -> Iterator[tuple[date, BillingTask]]:
    for day_text, of_day in statistics.items():
        day = parse.day(day_text)
        if day is None or not isinstance(of_day, Mapping):
            continue
        named = {str(name).lower(): counters for name, counters in of_day.items()}
        for task in BILLING_TASKS:
            name, counters = STATISTICS[task]
            if _counted(named.get(name), counters):
                yield day, task


def _counted(counters: Any, names: tuple[str, ...]) -> bool:
    if not isinstance(counters, Mapping):
        return False
    numbers = (parse.whole_number(value) for name, value in counters.items() if str(name).lower() in names)
    return any(number != 0 for number in numbers)
