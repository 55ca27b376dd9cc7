"""The order rules: a pure function from a basket and the account's facts to the violations.

One function per rule, listed in `RULES`; checking and placing an order apply the same list.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from app.commands.execution.postal_addresses import TOO_LONG, too_long
from app.commands.orders.basket import Basket, NumberTransfer
from app.commands.orders.facts import Facts, OrderableProduct
from app.commands.orders.mapping import ordered_address
from app.commands.orders.promotion_conditions import findings
from app.errors import RuleViolated, Violation
from app.inputs.domain import ascii_form
from app.inputs.numbers import is_digits
from app.inputs.rule import Unfit
from app.intake.words import folded
from app.integrations.salesforce.org import limits
from app.readmodels.profiles import CLOSED_CLIENTS

COVERS = {
    "home 10g": ("Home 10G", "Home 1G"),
    "home 1g": ("Home 1G",),
    "apartment 1g": ("Apartment 1G", "Apartment 100M"),
}
"""The offering at an address, folded → the plans that may be ordered there. Any other offering covers itself."""
ACTIVE_CLIENT = "active"
NOT_KNOWN_YET = "We do not know yet {}, and are looking it up. Please try again in a moment."

_KATAKANA = re.compile(r"[゠-ヿ\s]+")


def violations(basket: Basket, facts: Facts) -> list[Violation]:
    """Return every violation by the basket, in the order of `RULES`."""
    return [violation for rule in RULES for violation in rule(basket, facts)]


def account(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """The billing client must be active; an unknown status blocks the order until it is known."""
    status = folded(facts.client_status)
    if status in CLOSED_CLIENTS:
        sentence = "Your billing account is closed, so nothing can be ordered for it. Please contact support."
        yield Violation("items", "account_closed", sentence)
    elif status != ACTIVE_CLIENT:
        yield Violation("items", "not_known_yet", NOT_KNOWN_YET.format("whether your billing account is active"))


def lists_were_read(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """The lists that the other rules rely on must have been read: one that never was is not empty."""
    internet = bool(_of(basket, facts, "internet"))
    family = any(product.facts.get("sim_has_family_discount") for product in _chosen(basket, facts))
    if (internet or family) and not facts.services_known:
        yield Violation("items", "not_known_yet", NOT_KNOWN_YET.format("which services you have"))
    elif internet and not facts.orders_known:
        yield Violation("items", "not_known_yet", NOT_KNOWN_YET.format("which orders of yours are open"))


def payment_method(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """A payment method must be on file."""
    if not facts.has_payment_method:
        yield Violation(
            "payment_method", "payment_method_missing", "Please add a payment method first, then order again."
        )


def orderable(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """Products must be active, approved for the portal and priced; family plans require an active SIM."""
    for number, item in enumerate(basket.items):
        product = facts.products.get(item.sku)
        field, code = f"items.{number}.sku", "product_not_orderable"
        if product is None:
            yield Violation(field, code, f"{item.sku} is not available. Please choose another product.")
        elif not product.orderable:
            yield Violation(field, code, f"{product.name} cannot be ordered at present. Please choose another product.")
        elif product.facts.get("sim_has_family_discount") and facts.services_known and not facts.has_active_sim:
            yield Violation(field, code, f"{product.name} is for families that already have an active SIM with us.")


def internet(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """Internet requires exactly one plan, an installation, a confirmed and eligible address, and no other Internet
    line."""
    chosen = _of(basket, facts, "internet")
    if not chosen:
        return
    plans = _class(chosen, "service")
    if len(plans) != 1:
        yield Violation("items", "internet_plan_required", "Please choose exactly one Internet plan.")
    if not _class(chosen, "installation"):
        yield Violation("items", "installation_required", "Please choose an installation option.")
    if not basket.address_confirmed:
        sentence = "Please confirm the installation address: a technician will visit it."
        yield Violation("address_confirmed", "address_not_confirmed", sentence)
    yield from _eligible(plans, facts)
    if facts.has_internet:
        sentence = "You already have an Internet service or an open order for one."
        yield Violation("items", "duplicate_internet", sentence)


def _eligible(plans: list[OrderableProduct], facts: Facts) -> Iterator[Violation]:
    if facts.internet_status != "eligible":
        sentence = "We have not confirmed yet that Internet is available at your address. Please ask for a check first."
        yield Violation("items", "not_eligible", sentence)
        return
    offering = facts.internet_offering or ""
    offered = COVERS.get(folded(offering), (offering,))
    for plan in plans:
        if folded(plan.facts.get("internet_offering_type")) not in {folded(each) for each in offered} - {""}:
            also = f"; {offered[0]} plans are" if offered[0] else ""
            yield Violation("items", "not_eligible", f"{plan.name} is not available at your address{also}.")


def sim(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """A SIM requires one plan, its activation fee, and an eSIM with EID or a card; a number transfer must be
    complete."""
    chosen = _of(basket, facts, "sim")
    if not chosen:
        return
    if len(_class(chosen, "service")) != 1:
        yield Violation("items", "sim_plan_required", "Please choose exactly one SIM plan.")
    if not _class(chosen, "activation"):
        yield Violation("items", "activation_fee_required", "Please add the one-time SIM activation fee.")
    configuration = basket.configuration
    if configuration.sim_type is None:
        yield Violation("configuration.sim_type", "sim_type_required", "Please choose an eSIM or a physical SIM.")
    if configuration.sim_type == "esim" and not is_digits(configuration.eid or "", 32):
        yield Violation("configuration.eid", "eid_required", "Please give the 32 digits of your phone's EID.")
    if configuration.mnp is not None:
        yield from _transfer(configuration.mnp, facts)


def _transfer(mnp: NumberTransfer, facts: Facts) -> Iterator[Violation]:
    held = {
        "reservation_number": is_digits(mnp.reservation_number, 10),
        "expires_on": mnp.expires_on is not None and mnp.expires_on >= facts.today,
        "phone_number": is_digits(mnp.phone_number, 11, 14),
        "last_name": bool(mnp.last_name.strip()),
        "first_name": bool(mnp.first_name.strip()),
        "last_name_kana": bool(_KATAKANA.fullmatch(mnp.last_name_kana)),
        "first_name_kana": bool(_KATAKANA.fullmatch(mnp.first_name_kana)),
        "gender": mnp.gender is not None,
        "birthday": mnp.birthday is not None and mnp.birthday < facts.today,
    }
    for name, fine in held.items():
        if not fine:
            yield Violation(f"configuration.mnp.{name}", "mnp_details_required", TRANSFER_TEXTS[name])
    for name in ("last_name", "first_name", "last_name_kana", "first_name_kana"):
        if not limits.PORTING_NAME.fits(getattr(mnp, name)):
            yield Violation(f"configuration.mnp.{name}", TOO_LONG, limits.PORTING_NAME.sentence)


TRANSFER_TEXTS = {
    "reservation_number": "Please give the ten digits of the MNP reservation number.",
    "expires_on": "Please give the reservation's last day; it must not have passed.",
    "phone_number": "Please give the number to transfer, digits only.",
    "last_name": "Please give the account holder's last name, as registered at the current carrier.",
    "first_name": "Please give the account holder's first name, as registered at the current carrier.",
    "last_name_kana": "Please give the last name in full-width katakana.",
    "first_name_kana": "Please give the first name in full-width katakana.",
    "gender": "Please give the account holder's gender, or corporate.",
    "birthday": "Please give the account holder's date of birth.",
}


def vpn(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """A VPN requires the activation fee and a region of the chosen plan."""
    chosen = _of(basket, facts, "vpn")
    if not chosen:
        return
    if not _class(chosen, "activation"):
        yield Violation("items", "vpn_activation_fee_required", "Please add the one-time VPN activation fee.")
    regions = {region for plan in chosen if (region := plan.facts.get("vpn_region"))}
    region = basket.configuration.vpn_region
    if region is None or (regions and region not in regions):
        known = f" This plan has: {', '.join(sorted(regions))}." if regions else ""
        yield Violation("configuration.vpn_region", "vpn_region_required", f"Please choose a VPN region.{known}")


def hosting(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """Hosting requires a main domain that can be registered."""
    if not _of(basket, facts, "hosting"):
        return
    if not basket.configuration.domain:
        yield Violation("configuration.domain", "domain_required", "Please give the domain to host, e.g. example.jp.")
        return
    try:
        ascii_form(basket.configuration.domain)
    except Unfit as unfit:
        yield Violation("configuration.domain", unfit.code, unfit.message)


def address(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """The order requires an address, and a given one must be valid."""
    if basket.address is None and facts.address is None:
        yield Violation("address", "address_required", "Please give the address for this order.")
    try:
        ordered_address(basket)
    except RuleViolated as wrong:
        yield from wrong.errors
    if basket.address is None and facts.address is not None:
        for name, limit in too_long(facts.address):
            yield Violation(f"address.{name}", TOO_LONG, f"Of your address on file: {limit.sentence}")


def combinations(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """Products that the catalog combines or excludes must, or must not, be ordered together."""
    chosen = {item.sku: facts.products[item.sku] for item in basket.items if item.sku in facts.products}
    for product in chosen.values():
        for sku in product.requires:
            if sku not in chosen:
                yield Violation(
                    "items", "required_product_missing", f"{product.name} can only be ordered together with {sku}."
                )
        for sku in product.excludes:
            if sku in chosen:
                sentence = f"{product.name} cannot be ordered together with {chosen[sku].name}."
                yield Violation("items", "products_exclude_each_other", sentence)


def promotion(basket: Basket, facts: Facts) -> Iterator[Violation]:
    """A promotion code may not be one that certainly does not apply; the first reason is given."""
    if basket.promo_code is None:
        return
    refused = [each.text for each in findings(facts, _chosen(basket, facts)) if each.refuses]
    if refused:
        yield Violation("promo_code", "promo_code_invalid", f"{basket.promo_code}: {refused[0]}")


RULES: tuple[Callable[[Basket, Facts], Iterable[Violation]], ...] = (
    account,
    lists_were_read,
    payment_method,
    orderable,
    internet,
    sim,
    vpn,
    hosting,
    combinations,
    address,
    promotion,
)


def _chosen(basket: Basket, facts: Facts) -> list[OrderableProduct]:
    found = [facts.products.get(item.sku) for item in basket.items]
    return [product for product in found if product is not None]


def _of(basket: Basket, facts: Facts, category: str) -> list[OrderableProduct]:
    return [product for product in _chosen(basket, facts) if product.category == category]


def _class(products: list[OrderableProduct], item_class: str) -> list[OrderableProduct]:
    return [product for product in products if product.item_class == item_class]
