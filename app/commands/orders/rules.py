"""The order rules: a pure function from a basket and the account's facts to the violations.

One function per rule, listed in `RULES`; checking and placing an order apply the same list.
"""

from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import asdict

from app.commands.execution.postal_addresses import TOO_LONG, too_long
from app.commands.orders.basket import Basket, NumberTransfer
from app.commands.orders.facts import Facts, OrderableProduct
from app.commands.orders.mapping import ordered_address
from app.commands.orders.promotion_conditions import findings
from app.errors import RuleViolated, Violation
from app.integrations.salesforce.org import limits
from app.ordering import availability, composition
from app.ordering.hosting import wrong_domain
from app.ordering.item import item_of
from app.ordering.sim import wrong_eid, wrong_transfer
from app.postal import Address
from app.words.sentence import say, together


def violations(basket: Basket, facts: Facts) -> list[Violation]:
    """Return every violation by the basket, in the order of `RULES`."""
    return [violation for rule in RULES for violation in rule(basket, facts)]


def account(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """The billing client must be active; an unknown status blocks the order until it is known."""
    if refusal := availability.account_refusal(facts):
        yield Violation("items", refusal.code, refusal.sentence)


def payment_method(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """A payment method must be on file."""
    if not facts.has_payment_method:
        missing = availability.PAYMENT_METHOD_MISSING
        yield Violation("payment_method", missing.code, missing.sentence)


def available(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """Every product must be available to the account, as its catalog shows, and for the address of the order."""
    address, said = _address(basket, facts), set[tuple[str, str]]()
    for number, item in enumerate(basket.items):
        product = facts.products.get(item.sku)
        if product is None:
            sentence = say("ordering.unknown_product", sku=item.sku)
            yield Violation(f"items.{number}.sku", "product_not_orderable", sentence)
            continue
        for refusal in availability.refusals(item_of(product, product.facts), facts, address):
            field = f"items.{number}.sku" if refusal.code == "product_not_orderable" else "items"
            if field != "items" or (refusal.code, refusal.message) not in said:
                yield Violation(field, refusal.code, refusal.sentence)
            said.add((refusal.code, refusal.message))


def _address(basket: Basket, facts: Facts) -> Address | None:
    """Return the address that the order is for; None while it is missing or wrong, which another rule reports."""
    try:
        return ordered_address(basket) or facts.address
    except RuleViolated:
        return None


def composed(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """The products must belong together: one plan per category with what it comes with, and nothing twice."""
    items = [item_of(product, product.facts) for product in _chosen(basket, facts)]
    yield from composition.misfits(items)
    yield from composition.wrong_region(items, basket.configuration.vpn_region, facts.vpn_regions)


def internet(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """The address of an Internet line must be confirmed."""
    if _of(basket, facts, "internet") and not basket.address_confirmed:
        sentence = say("ordering.address_not_confirmed")
        yield Violation("address_confirmed", "address_not_confirmed", sentence)


def sim(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """A SIM is an eSIM with EID, or a card; a number transfer must be complete."""
    if not _of(basket, facts, "sim"):
        return
    configuration = basket.configuration
    if configuration.sim_type is None:
        yield Violation("configuration.sim_type", "sim_type_required", say("ordering.sim_type_required"))
    if configuration.sim_type == "esim":
        yield from wrong_eid(configuration.eid)
    if configuration.mnp is not None:
        yield from _transfer(configuration.mnp, facts)


def _transfer(mnp: NumberTransfer, facts: Facts) -> Iterator[Violation]:
    yield from wrong_transfer(asdict(mnp), facts.today)
    for name in ("last_name", "first_name", "last_name_kana", "first_name_kana"):
        if not limits.PORTING_NAME.fits(getattr(mnp, name)):
            yield Violation(f"configuration.mnp.{name}", TOO_LONG, limits.PORTING_NAME.sentence)


def hosting(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """Hosting requires a main domain that can be registered, and that nobody hosts already."""
    if _of(basket, facts, "hosting"):
        elsewhere = facts.is_domain_elsewhere
        yield from wrong_domain(basket.configuration.domain, facts.hosted_domains, elsewhere=elsewhere)


def address(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """The order requires an address, and a given one must be valid."""
    if basket.address is None and facts.address is None:
        missing = availability.ADDRESS_REQUIRED
        yield Violation("address", missing.code, missing.sentence)
    try:
        ordered_address(basket)
    except RuleViolated as wrong:
        yield from wrong.errors
    if basket.address is None and facts.address is not None:
        for name, limit in too_long(facts.address):
            yield Violation(f"address.{name}", TOO_LONG, together(say("account.address_on_file"), limit.sentence))


def promotion(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """A promotion code may not be one that certainly does not apply; the first reason is given."""
    if basket.promo_code is None:
        return
    refused = [each.text for each in findings(facts, _chosen(basket, facts)) if each.refuses]
    if refused:
        sentence = together(say("promotions.code", code=basket.promo_code), refused[0])
        yield Violation("promo_code", "promo_code_invalid", sentence)


RULES: tuple[Callable[[Basket, Facts], Iterable[Violation]], ...] = (
    account,
    payment_method,
    available,
    composed,
    internet,
    sim,
    hosting,
    address,
    promotion,
)


def _chosen(basket: Basket, facts: Facts) -> list[OrderableProduct]:
    found = [facts.products.get(item.sku) for item in basket.items]
    return [product for product in found if product is not None]


def _of(basket: Basket, facts: Facts, category: str) -> list[OrderableProduct]:
    return [product for product in _chosen(basket, facts) if product.category == category]
