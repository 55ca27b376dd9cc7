"""Metrics of the jobs that run by the clock, of WHMCS's daily run, and of who automates what.

Reads: portal.clock_jobs, portal.money_stops, portal.billing_tasks.
"""

import math
from collections.abc import Iterator

import asyncpg
from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app.db import is_outage
from app.schedule import billing_tasks, listing, money_stop
from app.schedule.billing_tasks import TaskState
from app.schedule.listing import WHMCS_DAILY_RUN, ListedJob


class ScheduleMeasures(Struct, frozen=True):
    """What the metrics are made of; `zone` is WHMCS's."""

    jobs: list[ListedJob]
    tasks: list[TaskState]
    stopped: bool
    zone: str


async def schedule_text(pool: asyncpg.Pool, zone: str) -> bytes:
    """Render the metrics in Prometheus's text format; empty while the database is away."""
    try:
        jobs, tasks = await listing.listed(pool), await billing_tasks.listed(pool)
        stopped = await money_stop.current(pool) is not None
    except Exception as error:
        if not is_outage(error):
            raise
        return b""
    registry = CollectorRegistry()
    registry.register(_ScheduleCollector(ScheduleMeasures(jobs, tasks, stopped, zone)))
    return generate_latest(registry)


class _ScheduleCollector(Collector):
    def __init__(self, measured: ScheduleMeasures) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the measurement."""
        m = self._measured
        yield _gauge("job_overdue_seconds", "How long the job has been due beyond its grace.", _overdue(m.jobs), "job")
        yield _gauge("job_last_success_seconds", "Since the job last succeeded.", _since_success(m.jobs), "job")
        failures = {each.name: float(each.failures) for each in m.jobs if each.owner == "portal"}
        yield _gauge("job_failures", "Failures of the job since it last succeeded.", failures, "job")
        took = {each.name: each.last_seconds for each in m.jobs if each.last_seconds is not None}
        yield _gauge("job_last_run_seconds", "How long the job's last run took.", took, "job")
        yield _gauge("whmcs_daily_run_age_seconds", "Since WHMCS's own daily run.", {"": _daily_run_age(m.jobs)})
        yield _gauge("money_jobs_stopped", "1 while the emergency stop is in force.", {"": float(m.stopped)})
        both = {str(each.task): float(_is_both(each, m.zone)) for each in m.tasks}
        yield _gauge("billing_task_conflict", "1 if portal and WHMCS may both automate the task.", both, "task")


def _overdue(jobs: list[ListedJob]) -> dict[str, float]:
    """Measure how long each job is overdue. A hung job counts from the end of its time."""
    return {each.name: each.overdue_seconds if each.state != "hung" else _hung_seconds(each) for each in jobs}


def _hung_seconds(job: ListedJob) -> float:
    assert job.running_since is not None
    return (job.now - job.running_since).total_seconds() - job.most_seconds


def _since_success(jobs: list[ListedJob]) -> dict[str, float]:
    """Measure the age of each last success. A job without one is infinitely old, so that every alert on age fires."""
    return {
        each.name: (each.now - each.last_done_at).total_seconds() if each.last_done_at else math.inf
        for each in jobs
        if each.owner == "portal" and each.next_run_at
    }


def _daily_run_age(jobs: list[ListedJob]) -> float:
    """Infinite while nobody knows of a run."""
    found = next((each for each in jobs if each.name == WHMCS_DAILY_RUN and each.last_done_at), None)
    return (found.now - found.last_done_at).total_seconds() if found and found.last_done_at else math.inf


def _is_both(state: TaskState, zone: str) -> bool:
    return state.automator == "portal" and billing_tasks.objection(state.task, state, zone) is not None


def _gauge(name: str, meaning: str, samples: dict[str, float] | dict[str, float | None], *labels: str) -> Metric:
    family = GaugeMetricFamily(f"portal_{name}", meaning, labels=labels)
    for label, value in samples.items():
        family.add_metric([label] if labels else [], value or 0.0)
    return family
