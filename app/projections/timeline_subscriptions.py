"""Services in the timeline: registration, changes of status and plan changes.

WHMCS stores the day of registration; the times of suspension and end are known from the stages that were seen.

Reads: whmcs service, its service_stages, service_dunning and scheduled_change; refers to salesforce Product2. Writes:
read_model.timeline_subscriptions.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from app.events import Record
from app.inputs.domain import unicode_form
from app.projections.parts.dunning_events import reason_of_suspension
from app.projections.parts.fields import day, instant, plain
from app.projections.parts.services import PRODUCT_OF_SERVICE, is_service
from app.projections.parts.timeline_events import EventSubject, TimelineEvent, rows, time_of_day_event
from app.projections.projector import Group, Projected, Projector
from app.readmodels import timeline as readmodel
from app.readmodels.billing.dunning import OF_SERVICE
from app.settings import Settings

ENTERED = {
    "Active": ("service_active", "{} is active."),
    "Suspended": ("service_suspended", "{} was suspended. Please check for unpaid invoices."),
    "Terminated": ("service_ended", "{} has ended."),
    "Cancelled": ("service_ended", "{} was cancelled."),
}
"""Status → kind and sentence of the event. Other statuses are internal to WHMCS."""

DROPPED = {
    "by_customer": "You took back the change of {} to {}.",
    "replaced": "You planned another change instead of the one of {} to {}.",
    "service_ends": "{} will not be changed to {}, because it ends.",
    "same_plan": "{} need not be changed to {}: it has that plan.",
}
"""Reason → sentence for a scheduled change that will not be made."""


def projector(settings: Settings) -> Projector:
    """Build the projector of the timeline of services."""
    zone = ZoneInfo(settings.whmcs_time_zone)

    def project(group: Group) -> Projected:
        found = [
            rows(group, _subject(service), [*_events(service, group, zone), *_planned(group)])
            for service in group.of("service")
            if is_service(service, group)
        ]
        return Projected(rows=[row for each in found for row in each])

    return Projector(
        name="timeline_subscriptions",
        version=5,
        source="whmcs",
        scope="record",
        root="service",
        reads=("service", "service_stage", "scheduled_change", OF_SERVICE),
        lookups=(PRODUCT_OF_SERVICE,),
        table=readmodel.table("timeline_subscriptions"),
        project=project,
    )


def _subject(service: Record) -> EventSubject:
    return EventSubject(area="services", subscription_ids=[service.record_id])


def _events(service: Record, group: Group, zone: ZoneInfo) -> Iterator[TimelineEvent]:
    data, stages, unpaid = service.data, group.of("service_stage"), group.of(OF_SERVICE)
    name, domain = plain(data.get("name")) or "Your service", plain(data.get("domain"))
    name = f"{name} ({unicode_form(domain)})" if domain else name
    registered_at = time_of_day_event(day(data.get("regdate")), stages, zone)
    yield TimelineEvent(kind="service_registered", at=registered_at, text=f"{name} was set up for you.")
    for stage in stages:
        if stage.data.get("status") in ENTERED and not stage.data.get("first"):
            kind, text = ENTERED[stage.data["status"]]
            yield TimelineEvent(
                kind=kind,
                at=stage.occurred_at,
                text=text.format(name),
                dedup_key=str(stage.version),
                notifies=True,
                reason=reason_of_suspension(stage.occurred_at, unpaid) if kind == "service_suspended" else None,
            )


def _planned(group: Group) -> Iterator[TimelineEvent]:
    """Yield future-dated plan changes and their outcomes."""
    for each in group.of("scheduled_change"):
        data = each.data
        present, other, on = data["present_name"], data["product_name"], data["effective_date"]
        text = f"You planned to change {present} to {other} on {on}."
        yield TimelineEvent(
            kind="change_scheduled", at=instant(data["created_at"]), text=text, dedup_key=each.record_id
        )
        if ended := _ended(data["status"], data):
            kind, text = ended
            yield TimelineEvent(
                kind=kind,
                at=instant(data["ended_at"]),
                text=text,
                dedup_key=each.record_id,
                notifies=data["status"] != "cancelled",
                reason=data.get("reason") or None,
            )


def _ended(status: str, data: Mapping[str, Any]) -> tuple[str, str] | None:
    names = data["present_name"], data["product_name"]
    if status == "done" and data.get("invoice_id"):
        text = "{} was to be changed to {}, as you planned. It will be when invoice {} is paid."
        return "change_made", text.format(*names, data["invoice_id"])
    if status == "done":
        return "change_made", "{} was changed to {}, as you planned.".format(*names)
    if status == "refused":
        return "change_refused", "{} could not be changed to {} as you planned.".format(*names)
    if status == "cancelled":
        return "change_dropped", DROPPED.get(data["code"], "{} will not be changed to {}.").format(*names)
    return None
