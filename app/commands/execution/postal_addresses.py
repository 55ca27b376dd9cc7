"""Check a postal address before it is stored: its spelling, and the lengths that Salesforce takes."""

from app.errors import RuleViolated, Violation
from app.integrations.salesforce.org import limits
from app.integrations.salesforce.org.limits import FieldLimit
from app.postal import Address, normalised
from app.words.sentence import say


def checked(address: Address, *, within: str = "") -> Address:
    """Return the address normalised: no stray spaces, full-width digits as plain ones, `160-0022`, `Tokyo`.

    Args:
        within: the prefix of the fields' names in errors, e.g. `address.`.

    Raises:
        RuleViolated: `address_invalid`; `errors` has `country_unknown`, `postcode_invalid`, `prefecture_unknown`,
            `field_empty`, `field_too_long`.
    """
    usual, wrong = normalised(address, within=within)
    wrong += [Violation(f"{within}{name}", TOO_LONG, limit.sentence) for name, limit in too_long(usual)]
    if wrong:
        raise RuleViolated(say("account.address_wrong"), code="address_invalid", errors=wrong)
    return usual


TOO_LONG = "field_too_long"


def too_long(address: Address) -> list[tuple[str, FieldLimit]]:
    """Return the parts that are too long for an order, where both lines together form the street."""
    street = f"{address.address1}\n{address.address2}" if address.address2 else address.address1
    values = {
        "address2" if address.address2 else "address1": (street, limits.STREET),
        "city": (address.city, limits.CITY),
        "state": (address.state, limits.STATE),
        "postcode": (address.postcode, limits.POSTCODE),
    }
    return [(name, limit) for name, (value, limit) in values.items() if not limit.fits(value)]
