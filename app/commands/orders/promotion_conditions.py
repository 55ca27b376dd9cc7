"""Whether a promotion applies to a basket: it does, it does not, or billing decides.

WHMCS applies a code when the order is billed, and silently drops one that does not apply. A condition that certainly
fails refuses the code before the order is placed. One that the portal cannot know, because WHMCS does not tell it or
it may change until then, is named to the customer; it is never taken to hold.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date

from msgspec import Struct

from app.commands.orders.facts import Facts, OrderableProduct
from app.commands.orders.promotion_history import PromotionHistory
from app.intake.billing_cycles import UNKNOWN
from app.intake.words import folded
from app.integrations.whmcs.catalog.promotions import FREE_SETUP, KINDS, Promotion
from app.words.sentence import Sentence, say

UNREADABLE = "?"


class PromotionFinding(Struct, frozen=True):
    """A condition that does not certainly hold. Without `refuses`, billing decides."""

    text: Sentence
    refuses: bool


class Asked(Struct, frozen=True):
    """What the conditions look at. `past` is None where it could not be read."""

    promotion: Promotion
    chosen: Sequence[OrderableProduct]
    past: PromotionHistory | None
    today: date


def findings(facts: Facts, chosen: Sequence[OrderableProduct]) -> list[PromotionFinding]:
    """Return everything that keeps the promotion from certainly applying."""
    if facts.promotion is None:
        return [_no(say("promotions.unknown"))]
    asked = Asked(facts.promotion, chosen, facts.promotion_history, facts.today)
    return [found for condition in CONDITIONS for found in condition(asked)]


def matching(promotion: Promotion, chosen: Sequence[OrderableProduct]) -> list[OrderableProduct]:
    """Return the products that it is for, by product and by cycle."""
    return [each for each in _of_products(promotion, chosen) if _in_cycle(promotion, each)]


def period(asked: Asked) -> Iterator[PromotionFinding]:
    """The days are inclusive."""
    starts_on, expires_on = asked.promotion.starts_on, asked.promotion.expires_on
    if starts_on and asked.today < starts_on:
        yield _no(say("promotions.not_begun", on=starts_on.isoformat()))
    if expires_on and asked.today > expires_on:
        yield _no(say("promotions.ended", on=expires_on.isoformat()))


def uses(asked: Asked) -> Iterator[PromotionFinding]:
    """Whoever is billed first has the last uses."""
    if asked.promotion.max_uses and asked.promotion.uses >= asked.promotion.max_uses:
        yield _no(say("promotions.used_up"))


def products_and_cycles(asked: Asked) -> Iterator[PromotionFinding]:
    """One product of the order must be among those it is for, and be billed by one of its cycles."""
    promotion = asked.promotion
    of_products = _of_products(promotion, asked.chosen)
    if not of_products and UNREADABLE in promotion.product_ids:
        yield _perhaps(say("promotions.billing_decides_products"))
    elif not of_products:
        yield _no(say("promotions.other_products"))
    elif not matching(promotion, asked.chosen) and UNKNOWN in promotion.cycles:
        yield _perhaps(say("promotions.billing_decides_cycle"))
    elif not matching(promotion, asked.chosen):
        yield _no(say("promotions.other_cycles", cycles=sorted(promotion.cycles)))


def required_products(asked: Asked) -> Iterator[PromotionFinding]:
    """Another product may have to be in the order, or among the client's services. WHMCS does not tell whether one of
    several is enough."""
    promotion, wanted = asked.promotion, asked.promotion.required_ids
    if not wanted:
        return
    owned = asked.past.owned_product_ids if asked.past and promotion.required_may_be_owned else None
    held = wanted & ({each.whmcs_product_id for each in asked.chosen} | (owned or frozenset()))
    if held == wanted:
        return
    countable = all(each.isdecimal() for each in wanted)
    certain = promotion.required_may_be_owned is False or (owned is not None and countable)
    if held or not certain or UNREADABLE in wanted:
        yield _perhaps(say("promotions.billing_decides_required"))
    else:
        yield _no(say("promotions.other_product_required"))


def new_customers(asked: Asked) -> Iterator[PromotionFinding]:
    """WHMCS means clients without an active order; one that is open may be active by then."""
    only = asked.promotion.new_customers_only
    if only and _has_active_order(asked):
        yield _no(say("promotions.new_customers"))
    elif only is not False and not _is_new(asked):
        yield _perhaps(say("promotions.billing_decides_new"))


def existing_customers(asked: Asked) -> Iterator[PromotionFinding]:
    """WHMCS means clients with an active order."""
    only = asked.promotion.existing_customers_only
    if only and _is_new(asked):
        yield _no(say("promotions.existing_customers"))
    elif only is not False and not _has_active_order(asked):
        yield _perhaps(say("promotions.billing_decides_existing"))


def once_per_customer(asked: Asked) -> Iterator[PromotionFinding]:
    """A code in an open order is used when that order is billed."""
    only, past = asked.promotion.once_per_customer, asked.past
    if only is False:
        return
    code, history = folded(asked.promotion.code), past and past.history
    used = bool(history and code in history.codes_active)
    taken = bool(history and code in history.codes_pending) or bool(past and code in past.codes_in_open_orders)
    if only and used:
        yield _no(say("promotions.used_already"))
    elif only and taken:
        yield _no(say("promotions.in_open_order"))
    elif used or taken or not history or not history.complete or code in history.codes_ended:
        yield _perhaps(say("promotions.billing_decides_used"))


def kinds_and_upgrades(asked: Asked) -> Iterator[PromotionFinding]:
    """What a code is worth is unknown for kinds that WHMCS may add, and for what it keeps serialised."""
    promotion = asked.promotion
    if promotion.kind == FREE_SETUP:
        yield _perhaps(say("promotions.billing_decides_setup"))
    elif folded(promotion.kind) not in KINDS:
        yield _perhaps(say("promotions.billing_decides_worth"))
    if promotion.for_upgrades is not False:
        yield _perhaps(say("promotions.billing_decides_upgrades"))


CONDITIONS: tuple[Callable[[Asked], Iterator[PromotionFinding]], ...] = (
    period,
    uses,
    products_and_cycles,
    required_products,
    new_customers,
    existing_customers,
    once_per_customer,
    kinds_and_upgrades,
)


def _no(text: Sentence) -> PromotionFinding:
    return PromotionFinding(text, refuses=True)


def _perhaps(text: Sentence) -> PromotionFinding:
    return PromotionFinding(text, refuses=False)


def _of_products(promotion: Promotion, chosen: Sequence[OrderableProduct]) -> list[OrderableProduct]:
    return [each for each in chosen if not promotion.product_ids or each.whmcs_product_id in promotion.product_ids]


def _in_cycle(promotion: Promotion, product: OrderableProduct) -> bool:
    return not promotion.cycles or product.billing_cycle in promotion.cycles - {UNKNOWN}


def _has_active_order(asked: Asked) -> bool:
    history = asked.past and asked.past.history
    return bool(history and history.active)


def _is_new(asked: Asked) -> bool:
    """Return whether the client certainly has neither order nor service: an imported service has no order."""
    history = asked.past and asked.past.history
    if asked.past is None or not history or not history.complete:
        return False
    return not history.active and not history.pending and asked.past.owned_product_ids == frozenset()
