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
from app.words.sentence import Sentence, say

UNNAMED = (
    say("timeline.your_case_opened_without_subject"),
    say("timeline.your_case_answered_without_subject"),
    say("timeline.your_case_closed_without_subject"),
)
"""The sentences about a case without number and subject."""


def projector(settings: Settings) -> Projector:
    """Build the projector of the timeline of cases opened through the portal."""
    return Projector(
        name="timeline_cases",
        version=2,
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
    data, named = case.data, _named(case)
    yield TimelineEvent(kind="case_opened", at=instant(data.get("CreatedDate")), text=named[0])
    for comment in comments:
        if comment.data.get("IsPublished"):
            at, key = instant(comment.data.get("CreatedDate")), comment.record_id
            yield TimelineEvent(kind="case_answered", at=at, text=named[1], dedup_key=key, notifies=True)
    if data.get("IsClosed"):
        yield TimelineEvent(kind="case_closed", at=instant(data.get("ClosedDate")), text=named[2], notifies=True)


def _named(case: Record) -> tuple[Sentence, Sentence, Sentence]:
    """Say that a case was opened, answered and closed, by its number and subject as far as it has them."""
    number, subject = case.data.get("CaseNumber"), case.data.get("Subject")
    if number and subject:
        return (
            say("timeline.case_opened", number=number, subject=subject),
            say("timeline.case_answered", number=number, subject=subject),
            say("timeline.case_closed", number=number, subject=subject),
        )
    if number:
        return (
            say("timeline.case_opened_without_subject", number=number),
            say("timeline.case_answered_without_subject", number=number),
            say("timeline.case_closed_without_subject", number=number),
        )
    if subject:
        return (
            say("timeline.your_case_opened", subject=subject),
            say("timeline.your_case_answered", subject=subject),
            say("timeline.your_case_closed", subject=subject),
        )
    return UNNAMED
