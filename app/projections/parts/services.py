"""The kind of a WHMCS service: its category, class and cycle, and whether it is a service or a charge.

Every projector of services decides by `kind_of`; what a service is is defined in `app/readmodels/services.py`.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from app.events import KEYS, Record
from app.intake.billing_cycles import UNKNOWN, BillingCycle, cycle_of
from app.projections.parts.categories import category_of, on_sale
from app.projections.parts.fields import plain
from app.projections.parts.offers import class_of
from app.projections.projector import Group, Lookup
from app.readmodels.services import FEES, UNCLASSED, ItemClass, is_charge

PRODUCT_OF_SERVICE = Lookup(
    target="Product2", referrer="service", field="pid", source="salesforce", key=KEYS["salesforce", "Product2"]
)


ORDER_OF_SERVICE = Lookup(
    target="Order",
    referrer="service",
    field="orderid",
    source="salesforce",
    key=KEYS["salesforce", "Order"],
    own=True,
)


class ServiceKind(Struct, frozen=True, kw_only=True):
    """What a WHMCS service is. `item_class` is `other` where no product tells it."""

    category: str
    item_class: ItemClass
    billing_cycle: BillingCycle
    is_charge: bool


def kind_of(service: Record, group: Group, groups: Mapping[str, str]) -> ServiceKind:
    """Determine the kind by the products with the service's number, and the category then by its product group."""
    products = _products(service, group)
    return ServiceKind(
        category=category_of(service, products, groups),
        item_class=_class(products),
        billing_cycle=cycle_of(service.data.get("billingcycle")),
        is_charge=_is_charge(service, products),
    )


def is_service(service: Record, group: Group) -> bool:
    """Return whether it is a service to customers. The category does not matter for that."""
    return not _is_charge(service, _products(service, group))


def sku_of(service: Record, group: Group) -> str | None:
    """Return the SKU that the service was sold as, where its products leave no doubt: that of its billing cycle where
    there are several."""
    products, cycle = _products(service, group), cycle_of(service.data.get("billingcycle"))
    same = [each for each in products if cycle_of(each.data.get("Billing_Cycle__c")) == cycle]
    named = {sku for each in same or products if (sku := each.data.get("StockKeepingUnit"))}
    return str(named.pop()) if len(named) == 1 else None


def order_of(service: Record, group: Group) -> str | None:
    """Return the id of the account's Salesforce order that the service was made for; None where staff made it."""
    number = plain(service.data.get(ORDER_OF_SERVICE.field))
    orders = group.named.get((ORDER_OF_SERVICE.target, number), ())
    return orders[0].record_id if len(orders) == 1 else None


def _products(service: Record, group: Group) -> Sequence[Record]:
    return on_sale(group.named.get((PRODUCT_OF_SERVICE.target, plain(service.data.get(PRODUCT_OF_SERVICE.field))), ()))


def _is_charge(service: Record, products: Sequence[Record]) -> bool:
    return is_charge(cycle_of(service.data.get("billingcycle")), _class(products), _sold_as(products))


def _class(products: Sequence[Record]) -> ItemClass:
    """Return the class on which the products agree. Products that are all fees are one, whichever."""
    named = {class_of(each) for each in products} - {UNCLASSED}
    if len(named) == 1 or (named and named <= set(FEES)):
        return min(named)
    return UNCLASSED


def _sold_as(products: Sequence[Record]) -> BillingCycle:
    """Return the cycle on which the products agree."""
    named = {cycle_of(each.data.get("Billing_Cycle__c")) for each in products} - {UNKNOWN}
    return named.pop() if len(named) == 1 else UNKNOWN
