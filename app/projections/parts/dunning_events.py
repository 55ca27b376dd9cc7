"""Steps of dunning in the timeline, each once.

WHMCS and the portal's journal may both tell of one charge that was declined. The billing system says that there was an
attempt, the journal says which of how many it was and what follows, so one entry tells both: under the key of the
billing system's attempt for the charge on the due date, which it announces first, and under the journal's for a
repeated one, which the portal sent. A step that tried several payment methods is one entry as well, and so is one that
became known only when somebody had found out what came of its charge.

A suspension, its end and a payment are told by the service and the invoice themselves, and not again from here.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import structs

from app.events import Record
from app.projections.parts.dunning import facts_of
from app.projections.parts.timeline_events import TimelineEvent
from app.readmodels.billing import dunning_sentences
from app.readmodels.billing.dunning import DunningFacts, ToldStep
from app.words.sentence import Sentence, say

DECLINED = "charge_failed"
KINDS: Mapping[str, str] = {
    "payment_failed": DECLINED,
    "new_method_failed": DECLINED,
    "new_card_needed": "payment_method_needed",
    "suspension_announced": "suspension_announced",
}
"""Step of the journal → kind of entry. Other steps are told by what they change."""
SAME_ATTEMPT = timedelta(minutes=15)
"""Most time between a repeated charge by WHMCS's clock and its step by ours."""
SAME_FIRST_ATTEMPT = timedelta(hours=36)
"""Most time between the charge on the due date, by whomever, and its step."""
SUSPENDED_BEFORE = timedelta(minutes=10)
"""Most time by which a suspension may be seen before it is recorded as done."""


def told(facts: DunningFacts | None, declined: Sequence[TimelineEvent], number: str) -> Iterator[TimelineEvent]:
    """Merge the declined charges that WHMCS reports with the steps of dunning."""
    steps = [each for each in facts.steps if each.step in KINDS] if facts else []
    most = facts.max_attempts if facts else None
    left = list(declined)
    for step in steps:
        event = _event(step, number, most)
        if attempts := _attempts_of(step, left):
            left = [each for each in left if each not in attempts]
            event = _merged(step, event, attempts[0])
        yield event
    yield from left


def reason_of_suspension(seen_at: datetime, records: Sequence[Record]) -> Sentence | None:
    """Return why a service was suspended, if dunning did it."""
    for each in records:
        facts = facts_of(each)
        if facts is None or facts.service_suspended_at is None:
            continue
        ended = facts.service_resumed_at
        if facts.service_suspended_at - SUSPENDED_BEFORE <= seen_at and (ended is None or seen_at < ended):
            return say("dunning.not_paid", number=facts.invoice_number or facts.invoice_id)
    return None


def _event(step: ToldStep, number: str, most: int | None) -> TimelineEvent:
    return TimelineEvent(
        kind=KINDS[step.step],
        at=step.at,
        text=dunning_sentences.of_step(step, number, most),
        dedup_key=f"dunning:{step.round}:{step.step}:{step.number}",
        notifies=True,
        reason=dunning_sentences.why(step.decline_code),
    )


def _attempts_of(step: ToldStep, declined: Sequence[TimelineEvent]) -> list[TimelineEvent]:
    """Return the attempts that this step is about, oldest first: those since the one before it, or else the nearest
    one, if it is near enough."""
    if KINDS[step.step] != DECLINED:
        return []
    dated = sorted((each.at, each.dedup_key, each) for each in declined if each.at is not None)
    after = step.tried_after
    if after is not None and (
        found := [each for at, key, each in dated if key > after and at <= step.at + SAME_ATTEMPT]
    ):
        return found
    most = SAME_FIRST_ATTEMPT if _is_first(step) else SAME_ATTEMPT
    near = [(abs(at - step.at), key, each) for at, key, each in dated if abs(at - step.at) <= most]
    return [min(near)[2]] if near else []


def _is_first(step: ToldStep) -> bool:
    """Return whether the step is the charge on the due date."""
    return step.step == "payment_failed" and step.number == 0


def _merged(step: ToldStep, event: TimelineEvent, attempt: TimelineEvent) -> TimelineEvent:
    """Say in one entry what both say, under the key of whichever was told first."""
    merged = structs.replace(event, reason=event.reason or attempt.reason)
    return structs.replace(merged, at=attempt.at, dedup_key=attempt.dedup_key) if _is_first(step) else merged
