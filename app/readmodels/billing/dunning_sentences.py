"""What customers read about an unpaid invoice: why the charge failed, what follows, and what to do.

Only what the portal does itself is promised. Where WHMCS charges or suspends, the facts have no such date, and no
sentence speaks of it.
"""

from collections.abc import Iterator

from app.readmodels.billing.dunning import (
    CONFIRM,
    DECLINED,
    DECLINES,
    NEW_CARD_NEEDED,
    DunningFacts,
    PayStep,
    ToldStep,
)

PAUSED = (
    "We have paused the collection of invoice {number}{until}. Meanwhile we neither charge it nor suspend anything. "
    "You can still pay it."
)
SUSPENDED = "{subject} is suspended because invoice {number} is unpaid. Pay it and it is switched on again."
BEING_SUSPENDED = "Invoice {number} is unpaid, so this is being suspended. Pay it and it stays on."
LINE_GOES_ON = "Invoice {number} is unpaid. Your SIM still works; please pay the invoice so that it stays on."
AGAIN = "We try again on {} (attempt {} of {})."
AT_FIRST = "We charge your payment method on {} (attempt {} of {})."
ANY_TIME = "Unless it is paid, what it bills can be suspended at any time."
ON_A_DAY = "Unless it is paid, what it bills is suspended on {}."
PAY = "Please pay it, or add another payment method."
PAYMENT_PAGE = "Please pay it on its payment page."
NEW_CARD = "Please add a new payment method, or pay the invoice now."


def of_invoice(facts: DunningFacts, number: str) -> str:
    """Describe the dunning of an invoice."""
    return " ".join(_sentences(facts, number, "What it bills"))


def of_service(facts: DunningFacts, number: str, provider: str = "", confirmed: bool = True) -> str:
    """Describe the dunning of an invoice next to one of the services that it bills.

    Of a service that the portal provisioned, `confirmed` says whether its provider has suspended it. `freebit` cannot
    suspend a line.
    """
    if facts.status == "suspended" and not confirmed:
        return (LINE_GOES_ON if provider == "freebit" else BEING_SUSPENDED).format(number=number)
    return " ".join(_sentences(facts, number, "This"))


def of_step(step: ToldStep, number: str, most: int | None) -> str:
    """Describe a step in the account's history, as it was when it was taken."""
    return " ".join(_of_step(step, number, most))


def why(code: str | None) -> str | None:
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


def _sentences(facts: DunningFacts, number: str, subject: str) -> Iterator[str]:
    if facts.status == "paused":
        until = f" until {facts.paused_until}" if facts.paused_until else ""
        yield PAUSED.format(number=number, until=until)
        return
    if facts.status == "suspended":
        yield SUSPENDED.format(subject=subject, number=number)
        return
    yield f"Invoice {number} is unpaid."
    if reason := why(facts.decline_code):
        yield reason
    yield from _follows(facts)
    yield _advice(facts.decline_code, PAY)


def _advice(code: str | None, usual: str) -> str:
    if code == CONFIRM:
        return PAYMENT_PAGE
    return NEW_CARD if code in NEW_CARD_NEEDED else usual


def _follows(facts: DunningFacts) -> Iterator[str]:
    if facts.next_attempt_on and facts.attempts is not None and facts.max_attempts is not None:
        sentence = AGAIN if facts.decline_code else AT_FIRST
        yield sentence.format(facts.next_attempt_on, facts.attempts + 1, facts.max_attempts)
    elif facts.status == "grace" and facts.max_attempts is not None:
        yield "We do not try to charge it again."
    if facts.suspension_due:
        yield ANY_TIME
    elif facts.suspend_on:
        yield ON_A_DAY.format(facts.suspend_on)


def _of_step(step: ToldStep, number: str, most: int | None) -> Iterator[str]:
    if step.step == "payment_failed":
        of = f" (attempt {step.number} of {most})" if step.number and most is not None else ""
        yield f"We could not charge your payment method for invoice {number}{of}."
        if step.next_attempt_on:
            yield f"We try again on {step.next_attempt_on}."
        yield _advice(step.decline_code, "Please pay it, or update your payment method.")
    elif step.step == "new_method_failed":
        yield f"Your new payment method could not be charged for invoice {number}. {NEW_CARD}"
    elif step.step == "new_card_needed":
        yield f"Your payment method cannot be charged for invoice {number}. {NEW_CARD}"
    else:
        yield f"Invoice {number} is still unpaid."
        yield ON_A_DAY.format(step.suspend_on) if step.suspend_on else "Please pay it."
