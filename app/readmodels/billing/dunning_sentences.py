"""What customers read about an unpaid invoice: why the charge failed, what follows, and what to do.

Only what the portal does itself is promised. Where WHMCS charges or suspends, the facts have no such date, and no
sentence speaks of it.
"""

from collections.abc import Callable, Iterator

from app.readmodels.billing.dunning import (
    CONFIRM,
    DECLINED,
    DECLINES,
    NEW_CARD_NEEDED,
    DunningFacts,
    PayStep,
    ToldStep,
)
from app.words.sentence import Sentence, say, together

PAY = say("dunning.pay")
NEW_CARD = say("dunning.new_card")
PAY_OR_UPDATE = say("dunning.pay_or_update")
Describe = Callable[[str], Sentence]
"""Says that a service of the invoice of this number is suspended."""


def of_invoice(facts: DunningFacts, number: str) -> Sentence:
    """Describe the dunning of an invoice."""
    return together(*_sentences(facts, number, lambda of: say("dunning.all_suspended", number=of)))


def of_service(facts: DunningFacts, number: str, provider: str = "", confirmed: bool = True) -> Sentence:
    """Describe the dunning of an invoice next to one of the services that it bills.

    Of a service that the portal provisioned, `confirmed` says whether its provider has suspended it. `freebit` cannot
    suspend a line.
    """
    if facts.status == "suspended" and not confirmed:
        goes_on = provider == "freebit"
        return say("dunning.line_goes_on", number=number) if goes_on else say("dunning.being_suspended", number=number)
    return together(*_sentences(facts, number, lambda of: say("dunning.this_suspended", number=of)))


def of_step(step: ToldStep, number: str, most: int | None) -> Sentence:
    """Describe a step in the account's history, as it was when it was taken."""
    return together(*_of_step(step, number, most))


def why(code: str | None) -> Sentence | None:
    """Return why a charge was declined; None if none was."""
    return DECLINES.get(code, DECLINED) if code else None


def next_steps(facts: DunningFacts) -> list[PayStep]:
    """Return what helps, the best first."""
    if facts.status in ("paused", "suspended"):
        return ["pay_invoice"]
    return (
        ["add_payment_method", "pay_invoice"]
        if facts.decline_code in NEW_CARD_NEEDED
        else ["pay_invoice", "add_payment_method"]
    )


def _sentences(facts: DunningFacts, number: str, suspended: Describe) -> Iterator[Sentence]:
    if facts.status == "paused":
        until = facts.paused_until
        yield (
            say("dunning.paused_until", number=number, until=until) if until else say("dunning.paused", number=number)
        )
        return
    if facts.status == "suspended":
        yield suspended(number)
        return
    yield say("dunning.unpaid", number=number)
    if reason := why(facts.decline_code):
        yield reason
    yield from _follows(facts)
    yield _advice(facts.decline_code, PAY)


def _advice(code: str | None, usual: Sentence) -> Sentence:
    if code == CONFIRM:
        return say("dunning.payment_page")
    return NEW_CARD if code in NEW_CARD_NEEDED else usual


def _follows(facts: DunningFacts) -> Iterator[Sentence]:
    if facts.next_attempt_on and facts.attempts is not None and facts.max_attempts is not None:
        on, attempt, most = facts.next_attempt_on, facts.attempts + 1, facts.max_attempts
        yield (
            say("dunning.again_on", on=on, attempt=attempt, most=most)
            if facts.decline_code
            else say("dunning.first_on", on=on, attempt=attempt, most=most)
        )
    elif facts.status == "grace" and facts.max_attempts is not None:
        yield say("dunning.no_more_attempts")
    if facts.suspension_due:
        yield say("dunning.suspends_any_time")
    elif facts.suspend_on:
        yield say("dunning.suspends_on", on=facts.suspend_on)


def _of_step(step: ToldStep, number: str, most: int | None) -> Iterator[Sentence]:
    if step.step == "payment_failed":
        counted = step.number and most is not None
        yield (
            say("dunning.attempt_not_charged", number=number, attempt=step.number, most=most or 0)
            if counted
            else say("dunning.not_charged", number=number)
        )
        if step.next_attempt_on:
            yield say("dunning.tries_on", on=step.next_attempt_on)
        yield _advice(step.decline_code, PAY_OR_UPDATE)
    elif step.step == "new_method_failed":
        yield say("dunning.new_method_not_charged", number=number)
        yield NEW_CARD
    elif step.step == "new_card_needed":
        yield say("dunning.method_not_chargeable", number=number)
        yield NEW_CARD
    else:
        yield say("dunning.still_unpaid", number=number)
        yield say("dunning.suspends_on", on=step.suspend_on) if step.suspend_on else say("dunning.please_pay")
