"""Services in the timeline: registration, changes of status and plan changes.

WHMCS stores the day of registration; the times of suspension and end are known from the stages that were seen.

Reads: whmcs service, its service_stages, service_dunning and scheduled_change; refers to salesforce Product2. Writes:
read_model.timeline_subscriptions.
"""

from collections.abc import Callable, Iterator, Mapping
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
from app.readmodels.ordering import plan_change_refusals as refusals
from app.settings import Settings
from app.words.sentence import Sentence, say

Describe = Callable[[str], Sentence]
ENTERED: Mapping[str, tuple[str, Describe, Sentence]] = {
    "Active": (
        "service_active",
        lambda name: say("timeline.service_active", service=name),
        say("timeline.your_service_active"),
    ),
    "Suspended": (
        "service_suspended",
        lambda name: say("timeline.service_suspended", service=name),
        say("timeline.your_service_suspended"),
    ),
    "Terminated": (
        "service_ended",
        lambda name: say("timeline.service_ended", service=name),
        say("timeline.your_service_ended"),
    ),
    "Cancelled": (
        "service_ended",
        lambda name: say("timeline.service_cancelled", service=name),
        say("timeline.your_service_cancelled"),
    ),
}
"""Status → kind of the event, and its sentence with and without the name of the service. Other statuses are internal to
WHMCS."""

DROPPED: Mapping[str, Callable[[str, str], Sentence]] = {
    "by_customer": lambda present, plan: say("timeline.change_taken_back", present=present, plan=plan),
    "replaced": lambda present, plan: say("timeline.change_replaced", present=present, plan=plan),
    "service_ends": lambda present, plan: say("timeline.change_dropped_by_end", present=present, plan=plan),
    "same_plan": lambda present, plan: say("timeline.change_needless", present=present, plan=plan),
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
        version=6,
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
    name = _name(plain(data.get("name")), plain(data.get("domain")))
    registered_at = time_of_day_event(day(data.get("regdate")), stages, zone)
    yield TimelineEvent(
        kind="service_registered", at=registered_at, text=say("timeline.service_registered", service=name)
    )
    for stage in stages:
        if stage.data.get("status") in ENTERED and not stage.data.get("first"):
            kind, named, unnamed = ENTERED[stage.data["status"]]
            yield TimelineEvent(
                kind=kind,
                at=stage.occurred_at,
                text=named(name) if name else unnamed,
                dedup_key=str(stage.version),
                notifies=True,
                reason=reason_of_suspension(stage.occurred_at, unpaid) if kind == "service_suspended" else None,
            )


def _planned(group: Group) -> Iterator[TimelineEvent]:
    """Yield future-dated plan changes and their outcomes."""
    for each in group.of("scheduled_change"):
        data = each.data
        present, other, on = data["present_name"], data["product_name"], data["effective_date"]
        text = say("timeline.change_planned", present=present, plan=other, on=on)
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
                reason=refusals.of_stored(data.get("reason")),
            )


def _ended(status: str, data: Mapping[str, Any]) -> tuple[str, Sentence] | None:
    present, plan = data["present_name"], data["product_name"]
    if status == "done" and data.get("invoice_id"):
        invoice = data["invoice_id"]
        return "change_made", say("timeline.change_awaits_payment", present=present, plan=plan, invoice=invoice)
    if status == "done":
        return "change_made", say("timeline.change_made", present=present, plan=plan)
    if status == "refused":
        return "change_refused", say("timeline.change_refused", present=present, plan=plan)
    if status == "cancelled":
        dropped = DROPPED.get(data["code"])
        text = dropped(present, plan) if dropped else say("timeline.change_dropped", present=present, plan=plan)
        return "change_dropped", text
    return None


def _name(name: str, domain: str) -> str:
    """Name a service with its domain; empty where it has neither."""
    shown = unicode_form(domain)
    return f"{name} ({shown})" if name and domain else name or (shown if domain else "")


def _registered(name: str) -> Sentence:
    return say("timeline.service_registered", service=name) if name else say("timeline.your_service_registered")
