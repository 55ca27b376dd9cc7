"""Whether the products of one basket belong together, whoever orders them: a customer here, or staff in Salesforce."""

from collections.abc import Collection, Iterator, Sequence

from app.errors import Violation
from app.ordering.installation import is_surcharge
from app.ordering.item import MADE_ONCE, Item
from app.words.sentence import say

NO_PLAN = {
    "internet": ("internet_plan_required", say("ordering.internet_plan_required")),
    "sim": ("sim_plan_required", say("ordering.sim_plan_required")),
}
"""Category → code and sentence for items without a plan; any other category has `plan_required`."""
COMPANIONS = {
    "internet": ("installation", "installation_required", say("ordering.installation_required")),
    "sim": ("activation", "activation_fee_required", say("ordering.activation_fee_required")),
    "vpn": ("activation", "vpn_activation_fee_required", say("ordering.vpn_activation_fee_required")),
}
"""Category → the class of item that its plans come with, and code and sentence where it is missing."""


def misfits(items: Sequence[Item]) -> Iterator[Violation]:
    """Yield every violation by the products themselves."""
    yield from _repeated(items)
    for category in MADE_ONCE:
        yield from _of_category(category, [item for item in items if item.category == category])
    yield from _combinations({item.sku: item for item in items})


def _repeated(items: Sequence[Item]) -> Iterator[Violation]:
    for number, item in enumerate(items):
        if any(item.sku == earlier.sku for earlier in items[:number]):
            sentence = say("ordering.repeated", product=item.name)
            yield Violation(f"items.{number}.sku", "sku_repeated", sentence)


def _of_category(category: str, chosen: Sequence[Item]) -> Iterator[Violation]:
    if not chosen:
        return
    name, plans = MADE_ONCE[category], {item.sku: item for item in chosen if item.is_plan}
    if not plans:
        only = say("ordering.plan_required", category=name, product=chosen[0].name)
        code, sentence = NO_PLAN.get(category, ("plan_required", only))
        yield Violation("items", code, sentence)
    if len(plans) > 1:
        sentence = say("ordering.one_plan_only", category=name)
        yield Violation("items", "one_plan_only", sentence)
    companions = [item for item in chosen if _is_companion(item, plans)]
    if (needed := COMPANIONS.get(category)) and not companions:
        yield Violation("items", needed[1], needed[2])
    if category == "internet" and len(companions) > 1:
        sentence = say("ordering.exclude_each_other", product=companions[1].name, other=companions[0].name)
        yield Violation("items", "products_exclude_each_other", sentence)


def _is_companion(item: Item, plans: Collection[str]) -> bool:
    """Return whether an item is what plans of its category come with. What requires another product than a plan goes
    with that one, and a surcharge goes with an installation."""
    needed = COMPANIONS.get(item.category)
    return (
        needed is not None
        and item.item_class == needed[0]
        and set(item.requires) <= set(plans)
        and not is_surcharge(item.sku)
    )


def _combinations(chosen: dict[str, Item]) -> Iterator[Violation]:
    for item in chosen.values():
        for sku in item.requires:
            if sku not in chosen:
                sentence = say("ordering.only_together", product=item.name, other=sku)
                yield Violation("items", "required_product_missing", sentence)
        for sku in item.excludes:
            if sku in chosen:
                sentence = say("ordering.exclude_each_other", product=item.name, other=chosen[sku].name)
                yield Violation("items", "products_exclude_each_other", sentence)


def wrong_region(items: Sequence[Item], region: str | None, regions: Collection[str]) -> Iterator[Violation]:
    """Yield a violation if a VPN has no region, or one that its plan does not offer.

    Args:
        regions: every region of the catalog; a plan that names none offers them all.
    """
    vpn = [item for item in items if item.category == "vpn"]
    plans = [item for item in vpn if item.is_plan]
    offered = {item.region for item in plans if item.region} or set(regions)
    is_missing = not region and bool(plans and offered)
    if not vpn or not (is_missing or (region and region not in offered)):
        return
    sentence = say("ordering.region", regions=sorted(offered))
    if not offered:
        sentence = say("ordering.no_region")
    yield Violation("configuration.vpn_region", "vpn_region_required", sentence)


def can_be_completed(plan: Item, others: Sequence[Item]) -> bool:
    """Return whether the catalog has what an order of the plan must come with."""
    fitting = [item for item in others if item.orderable and _fit(plan, item)]
    required = set(plan.requires) - {item.sku for item in fitting}
    return not required and (
        plan.category not in COMPANIONS
        or any(item.category == plan.category and _is_companion(item, [plan.sku]) for item in fitting)
    )


def _fit(plan: Item, other: Item) -> bool:
    return plan.sku not in other.excludes and other.sku not in plan.excludes
