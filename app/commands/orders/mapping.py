"""From a basket's words to the org's: order type, choices, number transfer, address snapshot."""

import re
from collections.abc import Iterable, Sequence

from msgspec import convert

from app.commands.execution import postal_addresses
from app.commands.orders.basket import Basket, Configuration, NumberTransfer
from app.commands.orders.facts import OrderableProduct
from app.inputs.domain import ascii_form
from app.integrations.salesforce.orders import ESIM, PHYSICAL, Choices, Porting, Snapshot
from app.postal import Address

TYPES = {"internet": "Internet", "sim": "SIM", "vpn": "VPN", "hosting": "Hosting"}
"""Catalog category → Order_Type__c. An order with an Internet line is an Internet order, whatever else it has."""
ACCESS_MODES = {
    "ipoe_own_router": "IPoE own router",
    "ipoe_home_gateway": "IPoE home gateway",
    "pppoe": "PPPoE",
}
SIM_TYPES = {"esim": ESIM, "physical": PHYSICAL}
INSTALLMENTS = {"SINGLE": "Single", "12": "12-Month", "24": "24-Month"}
_INSTALLMENT = re.compile(r"[-_](SINGLE|12|24)[-_]?(?:M|MONTHS?)?$")
GENDERS = {"male": "Male", "female": "Female", "corporate": "Corporate/Other"}


def order_type(products: Iterable[OrderableProduct]) -> str:
    """The org's word for what is ordered."""
    categories = {product.category for product in products}
    return next((name for category, name in TYPES.items() if category in categories), "Other")


def choices(configuration: Configuration, products: Sequence[OrderableProduct]) -> Choices:
    """The configuration as far as it concerns what is ordered; the rest is dropped."""
    categories = {product.category for product in products}
    has_sim, has_internet = "sim" in categories, "internet" in categories
    options = {option for product in products if product.category == "sim" for option in _voice(product)}
    installations = [product.sku.upper() for product in products if product.item_class == "installation"]
    plans = [product for product in products if product.category == "internet" and product.item_class == "service"]
    return Choices(
        access_mode=ACCESS_MODES.get(configuration.access_mode or "") if has_internet else None,
        installation_type=next((found for sku in installations if (found := _installment(sku))), None),
        weekend_install=any("WEEKEND" in sku for sku in installations),
        plan_tier=next((plan.facts.get("internet_plan_tier") for plan in plans), None),
        vpn_region=configuration.vpn_region if "vpn" in categories else None,
        sim_type=SIM_TYPES.get(configuration.sim_type or "") if has_sim else None,
        eid=configuration.eid if has_sim and configuration.sim_type == "esim" else None,
        voice_mail="voice_mail" in options,
        call_waiting="call_waiting" in options,
        domain=ascii_form(configuration.domain) if configuration.domain and "hosting" in categories else None,
    )


def _installment(sku: str) -> str | None:
    """How the installation is paid, told from the last part of its SKU; of any other nobody can tell."""
    found = _INSTALLMENT.search(sku)
    return INSTALLMENTS.get(found.group(1)) if found else None


def _voice(product: OrderableProduct) -> set[str]:
    """Which voice option an add-on is, told from its SKU."""
    if product.item_class != "add_on":
        return set()
    sku = product.sku.upper().replace("-", "").replace("_", "")
    return {name for name, word in (("voice_mail", "VOICEMAIL"), ("call_waiting", "WAITING")) if word in sku}


def porting(mnp: NumberTransfer | None) -> Porting | None:
    """A number transfer; the rules made sure that nothing is missing."""
    if mnp is None:
        return None
    assert mnp.expires_on is not None, "the rules ask for it"
    assert mnp.birthday is not None, "the rules ask for it"
    assert mnp.gender is not None, "the rules ask for it"
    return Porting(
        reservation_number=mnp.reservation_number,
        expires_on=mnp.expires_on.isoformat(),
        phone_number=mnp.phone_number,
        last_name=mnp.last_name,
        first_name=mnp.first_name,
        last_name_kana=mnp.last_name_kana,
        first_name_kana=mnp.first_name_kana,
        gender=GENDERS[mnp.gender],
        birthday=mnp.birthday.isoformat(),
    )


def ordered_address(basket: Basket) -> Address | None:
    """The address given with the order, in its usual spelling; None when the one on file shall be used.

    Raises:
        RuleViolated: `address_invalid`, with what is wrong by field.
    """
    if basket.address is None:
        return None
    return postal_addresses.checked(convert(basket.address, Address, from_attributes=True), within="address.")


def snapshot(address: Address) -> Snapshot:
    """The address as the order keeps it."""
    return Snapshot(
        street="\n".join(line for line in (address.address1, address.address2) if line),
        city=address.city,
        state=address.state,
        postcode=address.postcode,
        country=address.country,
    )
