"""Who automates each task of billing, and whether WHMCS does it as well.

Reads and writes: portal.billing_tasks.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from app.db import Db, row, rows
from app.settings import Automator, BillingTask

WhmcsSwitch = Literal["on", "off", "none", "unknown"]
"""WHMCS's own setting. none: it has no setting that its API tells."""
MOST_AGE_SECONDS = 26 * 3_600.0
"""What WHMCS said is believed for this long; a daily run that is older than this did not happen."""

_RECORD = """
INSERT INTO portal.billing_tasks AS t (task, automator, automator_since, whmcs_switch, whmcs_did_on, checked_at)
VALUES ($1, $2, clock_timestamp(), $3, $4, clock_timestamp())
ON CONFLICT (task) DO UPDATE SET whmcs_switch = excluded.whmcs_switch, checked_at = excluded.checked_at,
    whmcs_did_on = greatest(t.whmcs_did_on, excluded.whmcs_did_on), automator = excluded.automator,
    automator_since = CASE WHEN t.automator = excluded.automator THEN t.automator_since
                           ELSE excluded.automator_since END
"""
_SELECT = """
SELECT task, automator, automator_since, whmcs_switch, whmcs_did_on,
       extract(epoch FROM clock_timestamp() - checked_at)::float8 AS age_seconds
FROM portal.billing_tasks
"""


class Observed(Struct, frozen=True):
    """What WHMCS said about its own automation of a task: its setting, and the last day on which it did anything."""

    task: BillingTask
    whmcs_switch: WhmcsSwitch
    whmcs_did_on: date | None


class TaskState(Struct, frozen=True, kw_only=True):
    """A task: who automates it since when, and what WHMCS said `age_seconds` ago."""

    task: BillingTask
    automator: Automator
    automator_since: datetime
    """Since when."""
    whmcs_switch: WhmcsSwitch
    """WHMCS's own switch for it."""
    whmcs_did_on: date | None
    """The day on which WHMCS last did it; null if it never did."""
    age_seconds: float


async def record(db: Db, automator: Automator, observed: Observed) -> None:
    """Record what WHMCS said, and since when a task has had its present automator."""
    await db.execute(_RECORD, observed.task, automator, observed.whmcs_switch, observed.whmcs_did_on)


async def of(db: Db, task: BillingTask) -> TaskState | None:
    """Return what is known about a task."""
    return await row(db, TaskState, f"{_SELECT} WHERE task = $1", task)


async def listed(db: Db) -> list[TaskState]:
    """List what is known about all tasks."""
    return await rows(db, TaskState, f"{_SELECT} ORDER BY task")


def updated(state: TaskState | None, observed: Observed) -> TaskState | None:
    """Return what is known about a task after WHMCS said this just now; None if it was never recorded."""
    if state is None:
        return None
    days = [day for day in (state.whmcs_did_on, observed.whmcs_did_on) if day]
    return structs.replace(
        state, whmcs_switch=observed.whmcs_switch, whmcs_did_on=max(days, default=None), age_seconds=0.0
    )


def objection(task: BillingTask, state: TaskState | None, zone: str) -> str | None:
    """Return why the portal may not do a task that is its own by setting; None if nothing objects.

    What is not known counts as done by WHMCS. The day of the hand-over proves nothing: WHMCS's run may have been
    earlier on it.
    """
    if state is None or state.automator != "portal":
        return f"{task}: whether WHMCS does it too has not been checked since the setting changed."
    if state.age_seconds > MOST_AGE_SECONDS:
        return f"{task}: WHMCS was last asked {state.age_seconds / 3_600:.0f} h ago whether it does it too."
    if state.whmcs_switch == "on":
        return f"{task}: both automate it. It is switched on in WHMCS."
    if state.whmcs_switch == "unknown":
        return f"{task}: WHMCS's setting cannot be read, so both may automate it."
    handed_over_on = state.automator_since.astimezone(ZoneInfo(zone)).date()
    if state.whmcs_did_on and state.whmcs_did_on > handed_over_on:
        return f"{task}: both automate it. WHMCS's daily run did it on {state.whmcs_did_on}."
    return None


def conflicts(states: Sequence[TaskState], zone: str) -> list[str]:
    """Return the objections to all tasks that are the portal's."""
    found = (objection(each.task, each, zone) for each in states if each.automator == "portal")
    return [each for each in found if each]
