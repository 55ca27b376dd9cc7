"""What an order agrees: the price of each product in the currency that the customer is billed in, and its tax.

It is recorded on the order in Salesforce, because prices and currencies change later.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from app.commands.orders.facts import Facts, OrderableProduct
from app.integrations.salesforce.orders import NewItem, Price
from app.readmodels.pricing.prices import billable, same_currency


def agreed_products(
    chosen: Sequence[OrderableProduct], prices: Mapping[str, Price], book_currency: str
) -> list[OrderableProduct]:
    """Return the chosen products at the prices to agree: those that Salesforce has at this instant, or, for a customer
    who is billed in another currency, those of the billing system."""
    return [
        replace(each, price=billable(prices[each.pricebook_entry_id].unit_price, each.currency))
        if same_currency(each.currency, book_currency)
        else each
        for each in chosen
    ]


def new_items(agreed: Sequence[OrderableProduct], prices: Mapping[str, Price], book_currency: str) -> Sequence[NewItem]:
    """Return the lines of the order. A sales price is always in the price book's currency."""
    found = []
    for each in agreed:
        item = NewItem(
            pricebook_entry_id=each.pricebook_entry_id,
            quantity=1,
            unit_price=prices[each.pricebook_entry_id].unit_price,
            billed_price=each.price,
            billed_setup_fee=each.setup_fee,
        )
        if same_currency(each.currency, book_currency):
            item = replace(item, billed_price=None, billed_setup_fee=None)
        found.append(item)
    return found


def with_agreed(facts: Facts, agreed: Sequence[OrderableProduct]) -> Facts:
    """Return the facts with the products at their agreed prices."""
    return replace(facts, products={**facts.products, **{each.sku: each for each in agreed}})
