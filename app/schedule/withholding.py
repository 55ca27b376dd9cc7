"""What withholds a job that moves money: the emergency stop, or that WHMCS automates its task.

The runner of jobs asks right before each unit of work, so a stop takes effect between two charges, in every process.
"""

from app.db import Db
from app.schedule import billing_tasks, money_stop
from app.settings import BillingTask, Settings


class Withheld(Exception):
    """The job may not go on; the sentence says why."""


async def withhold(db: Db, settings: Settings, task: BillingTask | None) -> None:
    """Return if a unit of work that moves money may be done now.

    Raises:
        Withheld: the emergency stop is in force; or `task` is WHMCS's by setting, or may be done by WHMCS too.
    """
    if stopped := await money_stop.current(db):
        raise Withheld(stopped.sentence)
    if task is None:
        return
    if settings.automator_of(task) != "portal":
        raise Withheld(f"WHMCS automates {task}: AUTOMATE_{task.upper()} is whmcs.")
    state = await billing_tasks.of(db, task)
    if objection := billing_tasks.objection(task, state, settings.whmcs_time_zone):
        raise Withheld(objection)
