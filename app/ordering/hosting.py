"""The main domain of a hosting order: given, valid, and hosted by nobody yet."""

from collections.abc import Collection, Iterator

from app.errors import Violation
from app.inputs.domain import ascii_form, unicode_form
from app.inputs.rule import Unfit

FIELD = "configuration.domain"
UNAVAILABLE = (
    "{} cannot be used for web hosting with us. Please give another domain, or contact support if this one is yours."
)

WITHOUT_WWW = "Please give the domain without www: {}. Addresses that begin with www lead there too."


def wrong_domain(domain: str | None, hosted: Collection[str], *, elsewhere: bool = False) -> Iterator[Violation]:
    """Yield a violation if a domain cannot become the main domain of a new hosting account.

    Args:
        hosted: the account's domains, as DNS spells them.
        elsewhere: the domain is in use, and not by a service of this account. The sentence does not say by whom.
    """
    if not domain:
        yield Violation(FIELD, "domain_required", "Please give the domain to host, e.g. example.jp.")
        return
    try:
        plain = ascii_form(domain)
    except Unfit as unfit:
        yield Violation(FIELD, unfit.code, unfit.message)
        return
    if plain.startswith("www.") and plain.count(".") > 1:
        # The server answers for www by itself: as a main domain it would take visitors from whoever has the rest.
        yield Violation(FIELD, "domain_invalid", WITHOUT_WWW.format(unicode_form(plain.removeprefix("www."))))
    elif plain in hosted:
        sentence = f"You already have web hosting, or an open order for it, for {domain}. Please give another domain."
        yield Violation(FIELD, "domain_taken", sentence)
    elif elsewhere:
        yield Violation(FIELD, "domain_unavailable", UNAVAILABLE.format(domain))


def as_dns(domain: str) -> str:
    """Spell a stored domain as DNS does, as far as possible."""
    try:
        return ascii_form(domain)
    except Unfit:
        return domain.strip().casefold()
