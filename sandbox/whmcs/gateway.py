"""The card gateway behind WHMCS: which charges it declines and why, and what WHMCS notes of that in its gateway log.

WHMCS's API tells nothing of all this, unless the installation's gateway module puts it into its message (`tells`:
answer), or a custom action reads the log (`readable`).
"""

from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import Clock

MOST_LOGGED = 5_000
SENTENCES = {
    "generic_decline": "Your card was declined.",
    "do_not_honor": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "issuer_not_available": "The card issuer could not be reached, so the payment could not be authorized.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "withdrawal_count_limit_exceeded": "The customer has exceeded the balance or credit limit available on their card.",
    "stolen_card": "Your card was declined.",
    "lost_card": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "do_not_try_again": "Your card was declined.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "authentication_required": "The card was declined as the transaction requires authentication.",
}
"""Stripe's decline codes → its sentences for customers, which do not say that a card was stolen."""
TEST_CARDS = {
    "0002": "generic_decline",
    "9995": "insufficient_funds",
    "9987": "lost_card",
    "9979": "stolen_card",
    "0069": "expired_card",
    "0127": "incorrect_cvc",
    "0119": "processing_error",
}
"""The last digits of Stripe's test cards that are declined → why."""
TELLS = ("nothing", "answer", "log")


@dataclass
class Decline:
    """A scripted decline: of which client or method (0 for any), how often (-1: until removed), and where it is told.

    `text` replaces what the gateway writes, and may be anything.
    """

    code: str
    client_id: int = 0
    pay_method_id: int = 0
    count: int = -1
    tells: str = "log"
    text: str = ""


@dataclass
class Entry:
    """One entry of the gateway log."""

    id: int
    date: str
    gateway: str
    result: str
    data: str
    invoiceid: int
    clientid: int


@dataclass
class Gateway:
    """Scripts and the log. `readable`: the custom action that reads the log is installed."""

    declines: list[Decline] = field(default_factory=list)
    log: list[Entry] = field(default_factory=list)
    readable: bool = True
    pending: bool = False
    """Whether accepted charges are confirmed later, as by a bank: the invoice becomes `Payment Pending`."""

    next_id: int = 1

    def decline_of(self, client_id: int, pay_method_id: int, last_four: str) -> Decline | None:
        """Return why a charge is declined now, and count it; None if it is accepted."""
        for each in self.declines:
            if each.count and each.client_id in (0, client_id) and each.pay_method_id in (0, pay_method_id):
                each.count -= each.count > 0
                return each
        code = TEST_CARDS.get(last_four)
        return Decline(code) if code else None

    def note(self, clock: Clock, gateway: str, result: str, data: str, owner: tuple[int, int]) -> None:
        """Write an entry about an invoice and its client."""
        self.log.append(Entry(self.next_id, str(clock.local()), gateway, result, data, *owner))
        self.next_id += 1
        del self.log[:-MOST_LOGGED]


def written(decline: Decline, invoice_id: int, name: str) -> str:
    """Return what Stripe's module writes into the log: PHP's print of its error, with the customer's name in it."""
    if decline.text:
        return decline.text
    members: dict[str, Any] = {
        "Invoice ID": invoice_id,
        "Customer": name,
        "type": "card_error",
        "code": decline.code
        if decline.code in ("expired_card", "incorrect_cvc", "processing_error")
        else "card_declined",
        "decline_code": decline.code,
        "message": sentence(decline),
    }
    return "\n".join(f"[{key}] => {value}" for key, value in members.items())


def sentence(decline: Decline) -> str:
    """Return the gateway's sentence for people."""
    return decline.text or SENTENCES.get(decline.code, "Your card was declined.")
