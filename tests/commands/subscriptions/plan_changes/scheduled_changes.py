"""Changes of plan for days to come, for tests: their day comes when a test says so."""

from datetime import date, timedelta
from typing import Any

from app.calendar import today
from app.commands.execution.context import Actor
from app.commands.subscriptions.change_plan import ChangePlan, NewPlan, PlanChanged, change_plan
from app.commands.subscriptions.plan_changes.run_due import make_due


def in_days(days: int, country: str = "JP") -> date:
    """Return the customer's date some days ahead."""
    return today(country, "Asia/Tokyo") + timedelta(days=days)


def wish(service_id: str, sku: str, direction: Any = "downgrade", *, days: int = 10, **price: Any) -> ChangePlan:
    return ChangePlan(service_id, direction, NewPlan(sku=sku, effective_date=in_days(days), **price))


async def plan(desk: Any, actor: Actor, service_id: str, sku: str, direction: Any = "downgrade") -> PlanChanged:
    """Planned and shown."""
    done = await change_plan(desk.context, actor, wish(service_id, sku, direction))
    await desk.settle()
    found: PlanChanged = done.result
    return found


async def its_day(desk: Any, service_id: str) -> None:
    """Make the change due, with no worker holding it."""
    await desk.pool.execute(
        "UPDATE portal.scheduled_changes SET due_at = now(), next_attempt_at = now() "
        "WHERE subscription_id = $1 AND state = 'waiting'",
        service_id,
    )


async def on_its_day(desk: Any, service_id: str) -> Any:
    """Run the worker on the day of the change, and return its row after that."""
    await its_day(desk, service_id)
    await make_due(desk.context)
    await desk.settle()
    return await row(desk, service_id)


async def row(desk: Any, service_id: str) -> Any:
    """Return the latest scheduled change of a service."""
    return await desk.pool.fetchrow(
        "SELECT * FROM portal.scheduled_changes WHERE subscription_id = $1 ORDER BY created_at DESC LIMIT 1", service_id
    )


async def told(desk: Any, service_id: str) -> list[Any]:
    """Return the timeline's events of plan changes, the earliest first."""
    return list(
        await desk.pool.fetch(
            "SELECT kind, notifies, document FROM read_model.timeline_subscriptions "
            "WHERE record_id = $1 AND kind LIKE 'change\\_%' ORDER BY at",
            service_id,
        )
    )
