"""Whether one product is available to one account: what the account catalog shows, and what an order accepts."""

from collections.abc import Iterator

from app import postal
from app.errors import Advice
from app.intake.words import folded
from app.ordering.item import MADE_ONCE, Item
from app.ordering.standing import Standing
from app.postal import Address
from app.words.sentence import Sentence, say

COVERS = {
    "home 10g": ("Home 10G", "Home 1G"),
    "home 1g": ("Home 1G",),
    "apartment 1g": ("Apartment 1G", "Apartment 100M"),
}
"""The offering at an address, folded → the plans that may be ordered there. Any other offering covers itself."""
ACTIVE_CLIENT = "active"
CLOSED_CLIENTS = frozenset({"closed", "inactive"})
NOT_ELIGIBLE = {
    "checking": say("ordering.still_checking"),
    "not_available": say("ordering.not_available"),
}
NOT_CHECKED = say("ordering.not_checked")
OTHER_ADDRESS = say("ordering.other_address")
PAYMENT_METHOD_MISSING = Advice("payment_method_missing", say("ordering.method_missing"))
ADDRESS_REQUIRED = Advice("address_required", say("ordering.address_missing"))


def account_refusal(standing: Standing) -> Advice | None:
    """Return why the account may order nothing: its billing client must be active, and known to be."""
    status = folded(standing.client_status)
    if status in CLOSED_CLIENTS:
        sentence = say("ordering.account_closed")
        return Advice("account_closed", sentence)
    if status != ACTIVE_CLIENT:
        return Advice("not_known_yet", say("ordering.client_not_known"))
    return None


def to_do_first(standing: Standing) -> list[Advice]:
    """List what the customer must add before any order."""
    missing = (
        (PAYMENT_METHOD_MISSING, standing.has_payment_method is False),
        (ADDRESS_REQUIRED, standing.address is None),
    )
    return [advice for advice, is_missing in missing if is_missing]


def refusals(item: Item, standing: Standing, address: Address | None) -> Iterator[Advice]:
    """Yield why the account may not order a product for an address; the account as a whole is another question."""
    yield from _of_product(item, standing)
    if item.is_plan and item.category == "internet":
        yield from _unread(standing)
        yield from _not_eligible(item, standing, address)
        if standing.has_internet:
            yield Advice("duplicate_internet", say("ordering.duplicate_internet"))


def _of_product(item: Item, standing: Standing) -> Iterator[Advice]:
    if not item.orderable or item.category not in MADE_ONCE:
        sentence = say("ordering.not_orderable", product=item.name)
        yield Advice("product_not_orderable", sentence)
    elif item.family_only and not standing.services_known:
        yield Advice("not_known_yet", say("ordering.services_not_known"))
    elif item.family_only and not standing.has_active_sim:
        yield Advice("product_not_orderable", say("ordering.families_only", product=item.name))


def _unread(standing: Standing) -> Iterator[Advice]:
    if not standing.services_known:
        yield Advice("not_known_yet", say("ordering.services_not_known"))
    elif not standing.orders_known:
        yield Advice("not_known_yet", say("ordering.orders_not_known"))


def _not_eligible(plan: Item, standing: Standing, address: Address | None) -> Iterator[Advice]:
    if standing.internet_status != "eligible":
        yield Advice("not_eligible", NOT_ELIGIBLE.get(standing.internet_status or "", NOT_CHECKED))
        return
    if address is not None and not _was_checked(address, standing):
        yield Advice("not_eligible", OTHER_ADDRESS)
    offering = standing.internet_offering or ""
    offered = COVERS.get(folded(offering), (offering,))
    if folded(plan.offering) not in {folded(each) for each in offered} - {""}:
        yield Advice("not_eligible", _not_at_address(plan.name, offered[0]))


def _not_at_address(product: str, offered: str) -> Sentence:
    if offered:
        return say("ordering.other_plans_at_address", product=product, offered=offered)
    return say("ordering.not_at_address", product=product)


def _was_checked(address: Address, standing: Standing) -> bool:
    """Return whether this is the address that was checked. A check that names none was for the address on file."""
    if standing.checked_address:
        return postal.same_place(postal.in_one_line(address), standing.checked_address)
    return standing.address is not None and postal.same_address(address, standing.address)
