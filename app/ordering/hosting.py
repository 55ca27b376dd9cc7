"""The main domain of a hosting order: given, valid, and hosted by nobody yet."""

from collections.abc import Collection, Iterator

from app.errors import Violation
from app.inputs.domain import ascii_form, unicode_form
from app.inputs.rule import Unfit
from app.words.sentence import Sentence, say

FIELD = "configuration.domain"


def wrong_domain(domain: str | None, hosted: Collection[str], *, elsewhere: bool = False) -> Iterator[Violation]:
    """Yield a violation if a domain cannot become the main domain of a new hosting account.

    Args:
        hosted: the account's domains, as DNS spells them.
        elsewhere: the domain is in use, and not by a service of this account. The sentence does not say by whom.
    """
    if not domain:
        yield Violation(FIELD, "domain_required", say("ordering.domain_required"))
        return
    try:
        plain = ascii_form(domain)
    except Unfit as unfit:
        yield Violation(FIELD, unfit.code, unfit.message)
        return
    if plain.startswith("www.") and plain.count(".") > 1:
        # The server answers for www by itself: as a main domain it would take visitors from whoever has the rest.
        without_www = say("ordering.domain_without_www", domain=unicode_form(plain.removeprefix("www.")))
        yield Violation(FIELD, "domain_invalid", without_www)
    elif plain in hosted:
        sentence = say("ordering.domain_taken", domain=domain)
        yield Violation(FIELD, "domain_taken", sentence)
    elif elsewhere:
        yield Violation(FIELD, "domain_unavailable", unavailable(domain))


def unavailable(domain: str) -> Sentence:
    """Return what a customer reads about a domain that is used elsewhere; it does not say by whom."""
    return say("ordering.domain_unavailable", domain=domain)


def as_dns(domain: str) -> str:
    """Spell a stored domain as DNS does, as far as possible."""
    try:
        return ascii_form(domain)
    except Unfit:
        return domain.strip().casefold()
