"""Support cases in the timeline: opened, answered by staff, closed. Their texts are read live, on the case screens.

Reads: salesforce Case, CaseComment. Writes: read_model.timeline_cases.
"""

from collections.abc import Iterator

from app.events import Record
from app.projections.parts.fields import instant
from app.projections.parts.timeline_events import EventSubject, TimelineEvent, rows
from app.projections.projector import Group, Projected, Projector
from app.readmodels import timeline as readmodel
from app.readmodels.cases import PORTAL_ORIGIN
from app.settings import Settings


def projector(settings: Settings) -> Projector:
    """Build the projector of the timeline of cases opened through the portal."""
    return Projector(
        name="timeline_cases",
        version=1,
        source="salesforce",
        scope="record",
        root="Case",
        reads=("Case", "CaseComment"),
        table=readmodel.table("timeline_cases"),
        project=_project,
    )


def _project(group: Group) -> Projected:
    found = [
        rows(group, EventSubject(area="cases", case_id=case.record_id), list(_events(case, group.of("CaseComment"))))
        for case in group.of("Case")
        if case.data.get("Origin") == PORTAL_ORIGIN
    ]
    return Projected(rows=[row for each in found for row in each])


def _events(case: Record, comments: list[Record]) -> Iterator[TimelineEvent]:
    data = case.data
    name = f"Case {data['CaseNumber']}" if data.get("CaseNumber") else "Your case"
    subject = f": {data['Subject']}" if data.get("Subject") else ""
    yield TimelineEvent(kind="case_opened", at=instant(data.get("CreatedDate")), text=f"{name} was opened{subject}")
    for comment in comments:
        if comment.data.get("IsPublished"):
            at = instant(comment.data.get("CreatedDate"))
            text = f"Support answered {name[0].lower()}{name[1:]}{subject}"
            yield TimelineEvent(kind="case_answered", at=at, text=text, dedup_key=comment.record_id, notifies=True)
    if data.get("IsClosed"):
        yield TimelineEvent(
            kind="case_closed", at=instant(data.get("ClosedDate")), text=f"{name} was closed{subject}", notifies=True
        )
