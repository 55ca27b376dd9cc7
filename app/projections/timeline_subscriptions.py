"""The timeline's services: since when there is one, and what became of it.

WHMCS keeps the day of registration; when a service was suspended or ended is known from the stages that were seen.

Reads: whmcs service and the service_stages kept of it. Writes: read_model.timeline_subscriptions.
"""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from app.events import Record
from app.projections.fields import day
from app.projections.moments import About, Moment, rows, told_by_day
from app.projections.projector import Group, Projected, Projector
from app.readmodels import timeline as readmodel
from app.settings import Settings

ENTERED = {
    "Active": ("service_active", "{} is active."),
    "Suspended": ("service_suspended", "{} was suspended. Please check for unpaid invoices."),
    "Terminated": ("service_ended", "{} has ended."),
    "Cancelled": ("service_ended", "{} was cancelled."),
}
"""State → the kind and the sentence of entering it. The others are WHMCS's own affair."""

ONCE = "onetime"
"""A fee is a service to WHMCS, and to nobody else."""


def projector(settings: Settings) -> Projector:
    """What happened to services."""
    zone = ZoneInfo(settings.whmcs_time_zone)

    def project(group: Group) -> Projected:
        found = [
            rows(group, _about(service), list(_moments(service, group.of("service_stage"), zone)))
            for service in group.of("service")
            if (service.data.get("billingcycle") or "").lower().replace(" ", "") != ONCE
        ]
        return Projected(rows=[row for each in found for row in each])

    return Projector(
        name="timeline_subscriptions",
        version=1,
        source="whmcs",
        scope="record",
        root="service",
        reads=("service", "service_stage"),
        table=readmodel.table("timeline_subscriptions"),
        project=project,
    )


def _about(service: Record) -> About:
    return About(area="services", subscription_ids=[service.record_id])


def _moments(service: Record, stages: list[Record], zone: ZoneInfo) -> Iterator[Moment]:
    data = service.data
    name = f"{data['name']} ({data['domain']})" if data.get("domain") else data["name"] or "Your service"
    registered_at = told_by_day(day(data.get("regdate")), stages, zone)
    yield Moment(kind="service_registered", at=registered_at, text=f"{name} was set up for you.")
    for stage in stages:
        if stage.data.get("status") in ENTERED and not stage.data.get("first"):
            kind, text = ENTERED[stage.data["status"]]
            yield Moment(
                kind=kind, at=stage.occurred_at, text=text.format(name), mark=str(stage.version), notifies=True
            )
