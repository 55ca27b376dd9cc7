"""The jobs that run by the clock, for operators."""

from typing import Annotated

from litestar import Response, get, post
from litestar.params import PathParameter, QueryParameter
from msgspec import Struct

from app.errors import Conflict, NotFound
from app.http.answering.handler_types import AppContext, Caller, answers
from app.http.answering.query_response import unstored
from app.http.policies.policy import OPERATOR, Policy
from app.http.routes.admin.projections import operator_of
from app.schedule import billing_tasks, listing, money_stop, requests
from app.schedule.billing_tasks import TaskState
from app.schedule.listing import ClockRun, ListedJob
from app.schedule.money_stop import MoneyStop

JobName = Annotated[str, PathParameter(max_length=100, description="The job's name.")]


class Schedule(Struct, frozen=True):
    """Every job, who automates which task of billing, and the emergency stop that is in force, if any."""

    jobs: list[ListedJob]
    """The jobs."""
    tasks: list[TaskState]
    stop: MoneyStop | None
    """The emergency stop that is in force; null without one."""


class ClockRuns(Struct, frozen=True):
    """Runs of a job, newest first."""

    items: list[ClockRun]


@get(
    "/api/admin/schedule",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    operation_id="listSchedule",
    summary="The jobs that run by the clock",
    tags=["Operators"],
    responses=answers(Schedule, "Every job with its last and its next run."),
)
async def list_schedule(context: AppContext) -> Response[bytes]:
    """Every job that runs by the clock: when, who runs it, its last and its next run, and what is wrong with it.

    What WHMCS automates is listed too, as far as WHMCS tells.
    """
    pool = context.pool
    jobs, tasks = await listing.listed(pool), await billing_tasks.listed(pool)
    return unstored(Schedule(jobs, tasks, await money_stop.current(pool)))


@get(
    "/api/admin/schedule/{name:str}/runs",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    operation_id="listJobRuns",
    summary="The runs of a job",
    tags=["Operators"],
    responses=answers(ClockRuns, "Recorded runs, newest first."),
)
async def list_runs(
    context: AppContext, name: JobName, limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100
) -> Response[bytes]:
    """The recorded runs of a job. Of a job with an interval, only those whose outcome differs from the one before."""
    return unstored(ClockRuns(await listing.runs_of(context.pool, name, limit)))


@post(
    "/api/admin/schedule/{name:str}/run",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound, Conflict)),
    status_code=200,
    operation_id="runJob",
    summary="Run a job now",
    tags=["Operators"],
    responses=answers(ListedJob, "The job, which a process starts within a second."),
)
async def run_now(actor: Caller, context: AppContext, name: JobName) -> Response[bytes]:
    """Have a process run a job out of its time. Safe to repeat: while it runs or waits, nothing is added.

    The emergency stop holds it, and what WHMCS automates is not run.
    """
    return unstored(await requests.request_run(context.pool, operator_of(actor), name))


ROUTES = (list_schedule, list_runs, run_now)
