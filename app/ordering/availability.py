"""Whether one product is available to one account: what the account catalog shows, and what an order accepts."""

from collections.abc import Iterator

from app import postal
from app.errors import Advice
from app.intake.words import folded
from app.ordering.item import MADE_ONCE, Item
from app.ordering.standing import Standing
from app.postal import Address

COVERS = {
    "home 10g": ("Home 10G", "Home 1G"),
    "home 1g": ("Home 1G",),
    "apartment 1g": ("Apartment 1G", "Apartment 100M"),
}
"""The offering at an address, folded → the plans that may be ordered there. Any other offering covers itself."""
ACTIVE_CLIENT = "active"
CLOSED_CLIENTS = frozenset({"closed", "inactive"})
NOT_KNOWN_YET = "We do not know yet {}, and are looking it up. Please try again in a moment."
NOT_ELIGIBLE = {
    "checking": "We are still checking availability at your address. Please order as soon as it is confirmed.",
    "not_available": "Internet is not available at your address.",
}
NOT_CHECKED = "We have not confirmed yet that Internet is available at your address. Please ask for a check first."
OTHER_ADDRESS = "We confirmed Internet for another address than this one. Please ask for a check of this address first."
PAYMENT_METHOD_MISSING = Advice("payment_method_missing", "Please add a payment method first, then order again.")
ADDRESS_REQUIRED = Advice("address_required", "Please give the address for this order.")


def account_refusal(standing: Standing) -> Advice | None:
    """Return why the account may order nothing: its billing client must be active, and known to be."""
    status = folded(standing.client_status)
    if status in CLOSED_CLIENTS:
        sentence = "Your billing account is closed, so nothing can be ordered for it. Please contact support."
        return Advice("account_closed", sentence)
    if status != ACTIVE_CLIENT:
        return Advice("not_known_yet", NOT_KNOWN_YET.format("whether your billing account is active"))
    return None


def to_do_first(standing: Standing) -> list[Advice]:
    """List what the customer must add before any order."""
    missing = {PAYMENT_METHOD_MISSING: standing.has_payment_method is False, ADDRESS_REQUIRED: standing.address is None}
    return [advice for advice, is_missing in missing.items() if is_missing]


def refusals(item: Item, standing: Standing, address: Address | None) -> Iterator[Advice]:
    """Yield why the account may not order a product for an address; the account as a whole is another question."""
    yield from _of_product(item, standing)
    if item.is_plan and item.category == "internet":
        yield from _unread(standing)
        yield from _not_eligible(item, standing, address)
        if standing.has_internet:
            yield Advice("duplicate_internet", "You already have an Internet service or an open order for one.")


def _of_product(item: Item, standing: Standing) -> Iterator[Advice]:
    if not item.orderable or item.category not in MADE_ONCE:
        sentence = f"{item.name} cannot be ordered at present. Please choose another product."
        yield Advice("product_not_orderable", sentence)
    elif item.family_only and not standing.services_known:
        yield Advice("not_known_yet", NOT_KNOWN_YET.format("which services you have"))
    elif item.family_only and not standing.has_active_sim:
        yield Advice("product_not_orderable", f"{item.name} is for families that already have an active SIM with us.")


def _unread(standing: Standing) -> Iterator[Advice]:
    if not standing.services_known:
        yield Advice("not_known_yet", NOT_KNOWN_YET.format("which services you have"))
    elif not standing.orders_known:
        yield Advice("not_known_yet", NOT_KNOWN_YET.format("which orders of yours are open"))


def _not_eligible(plan: Item, standing: Standing, address: Address | None) -> Iterator[Advice]:
    if standing.internet_status != "eligible":
        yield Advice("not_eligible", NOT_ELIGIBLE.get(standing.internet_status or "", NOT_CHECKED))
        return
    if address is not None and not _was_checked(address, standing):
        yield Advice("not_eligible", OTHER_ADDRESS)
    offering = standing.internet_offering or ""
    offered = COVERS.get(folded(offering), (offering,))
    if folded(plan.offering) not in {folded(each) for each in offered} - {""}:
        also = f"; {offered[0]} plans are" if offered[0] else ""
        yield Advice("not_eligible", f"{plan.name} is not available at your address{also}.")


def _was_checked(address: Address, standing: Standing) -> bool:
    """Return whether this is the address that was checked. A check that names none was for the address on file."""
    if standing.checked_address:
        return postal.same_place(postal.in_one_line(address), standing.checked_address)
    return standing.address is not None and postal.same_address(address, standing.address)
