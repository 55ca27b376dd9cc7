"""What WHMCS remembers of its own automation: settings, the last daily run, and counters by day and task."""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from sandbox.clock import Clock

DAILY_HOUR = 9
NEVER = ""
CONFIGURATION = {
    "AutoSuspension": "",
    "AutoSuspensionDays": "5",
    "AutoTermination": "",
    "AutoTerminationDays": "30",
    "SendReminder": "",
    "SendInvoiceReminderDays": "7",
    "SendFirstOverdueInvoiceReminder": "1",
    "SendSecondOverdueInvoiceReminder": "3",
    "SendThirdOverdueInvoiceReminder": "5",
    "AutoUnsuspend": "",
    "NoAutoApplyCredit": "on",
    "InvoiceLateFeeAmount": "0.00",
    "LateFeeType": "Percentage",
    "AddLateFeeDays": "5",
    "CCProcessDaysBefore": "0",
    "CCAttemptOnlyOnce": "",
}
"""All tasks are off that a setting switches; `on` switches one on."""


@dataclass
class Automation:
    """`by_itself`: the daily run happens at nine, with no effect but its time. `with_clock`: it really runs when the
    sandbox's clock is moved past nine. `planted` replaces the statistics."""

    configuration: dict[str, str] = field(default_factory=lambda: dict(CONFIGURATION))
    by_itself: bool = True
    with_clock: bool = False
    last_run: str = NEVER
    counters: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    planted: Any = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Fill in the settings that a snapshot of an earlier release lacks."""
        self.__dict__.update({**Automation().__dict__, **state})
        self.configuration = CONFIGURATION | self.configuration

    def is_on(self, setting: str) -> bool:
        """Return whether a setting is switched on."""
        return self.configuration[setting] == "on"

    def days(self, setting: str) -> timedelta:
        """Return a setting that is a number of days."""
        return timedelta(days=int(self.configuration[setting]))

    def ran_at(self, clock: Clock) -> str:
        """Return the server's time of the last daily run, empty for never."""
        if not self.by_itself:
            return self.last_run
        now = clock.local()
        nine = datetime.combine(now.date(), time(DAILY_HOUR))
        return max(self.last_run, str(nine if nine <= now else nine - timedelta(days=1)))

    def count(self, clock: Clock, task: str, counter: str, number: int) -> None:
        """Add to a counter of today; a task that ran and did nothing counts zero."""
        of_task = self.counters.setdefault(clock.today().isoformat(), {}).setdefault(task, {})
        of_task[counter] = of_task.get(counter, 0) + number

    def statistics(self, first: str, last: str) -> Any:
        """Return the counters between two days. PHP writes an empty map as a list."""
        if self.planted is not None:
            return self.planted
        return {day: tasks for day, tasks in sorted(self.counters.items()) if first <= day <= last} or []
