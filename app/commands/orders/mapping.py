"""Mapping of a basket to Salesforce's values: order type, choices, number transfer, address snapshot."""

from collections.abc import Iterable, Sequence

from msgspec import convert

from app.commands.execution import postal_addresses
from app.commands.orders.basket import Basket, Configuration, NumberTransfer
from app.commands.orders.facts import OrderableProduct
from app.inputs.domain import ascii_form
from app.integrations.salesforce.orders import ESIM, PHYSICAL, Choices, Porting, Snapshot
from app.ordering.installation import is_at_weekend, payment
from app.postal import Address, same_address

TYPES = {"internet": "Internet", "sim": "SIM", "vpn": "VPN", "hosting": "Hosting"}
"""Catalog category → Order_Type__c. An order with an Internet line is an Internet order, whatever else it has."""
ACCESS_MODES = {
    "ipoe_own_router": "IPoE own router",
    "ipoe_home_gateway": "IPoE home gateway",
    "pppoe": "PPPoE",
}
SIM_TYPES = {"esim": ESIM, "physical": PHYSICAL}
GENDERS = {"male": "Male", "female": "Female", "corporate": "Corporate/Other"}


def order_type(products: Iterable[OrderableProduct]) -> str:
    """Return Salesforce's type of the order."""
    categories = {product.category for product in products}
    return next((name for category, name in TYPES.items() if category in categories), "Other")


def choices(configuration: Configuration, products: Sequence[OrderableProduct]) -> Choices:
    """Map the parts of the configuration that concern the ordered products; the rest is dropped."""
    categories = {product.category for product in products}
    has_sim, has_internet = "sim" in categories, "internet" in categories
    options = {option for product in products if product.category == "sim" for option in _voice(product)}
    installations = [product.sku for product in products if product.item_class == "installation"]
    plans = [product for product in products if product.category == "internet" and product.item_class == "service"]
    return Choices(
        access_mode=ACCESS_MODES.get(configuration.access_mode or "") if has_internet else None,
        installation_type=next((found for sku in installations if (found := payment(sku))), None),
        weekend_install=any(is_at_weekend(sku) for sku in installations),
        plan_tier=next((plan.facts.get("internet_plan_tier") for plan in plans), None),
        vpn_region=configuration.vpn_region if "vpn" in categories else None,
        sim_type=SIM_TYPES.get(configuration.sim_type or "") if has_sim else None,
        eid=configuration.eid if has_sim and configuration.sim_type == "esim" else None,
        voice_mail="voice_mail" in options,
        call_waiting="call_waiting" in options,
        domain=ascii_form(configuration.domain) if configuration.domain and "hosting" in categories else None,
    )


def _voice(product: OrderableProduct) -> set[str]:
    """Derive the voice option of an add-on from its SKU."""
    if product.item_class != "add_on":
        return set()
    sku = product.sku.upper().replace("-", "").replace("_", "")
    return {name for name, word in (("voice_mail", "VOICEMAIL"), ("call_waiting", "WAITING")) if word in sku}


def porting(mnp: NumberTransfer | None) -> Porting | None:
    """Map a number transfer; the rules have ensured that it is complete."""
    if mnp is None:
        return None
    assert mnp.expires_on is not None, "ensured by the order rules"
    assert mnp.birthday is not None, "ensured by the order rules"
    assert mnp.gender is not None, "ensured by the order rules"
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
    """Return the address given with the order, normalised; None if the address on file is used.

    Raises:
        RuleViolated: `address_invalid`, with the violations by field.
    """
    if basket.address is None:
        return None
    return postal_addresses.checked(convert(basket.address, Address, from_attributes=True), within="address.")


def is_changed(address: Address, on_file: Address | None) -> bool:
    """Return whether an order is for another address than the one on file."""
    return on_file is None or not same_address(address, on_file)


def snapshot(address: Address) -> Snapshot:
    """Return the address as the order stores it."""
    return Snapshot(
        street="\n".join(line for line in (address.address1, address.address2) if line),
        city=address.city,
        state=address.state,
        postcode=address.postcode,
        country=address.country,
    )
