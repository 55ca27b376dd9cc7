"""The catalog: the same for everyone, and as one account may order it.

Reads: documents `catalog…`, what the account's standing reads, and what `prices` and `slice_age` read.
"""

from collections.abc import Callable
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from app.errors import Advice, NotFound, NotReady
from app.ordering.availability import account_refusal, refusals, to_do_first
from app.ordering.composition import can_be_completed
from app.ordering.item import item_of
from app.ordering.standing import Standing
from app.postal import Address
from app.queries.prices import Pricing, account_pricing, left_out, priced, priced_category, public_pricing, summary_of
from app.queries.reading.own_price_age import own_price_sources
from app.queries.reading.slice_age import feed_source, of_what_may_be_ordered
from app.queries.reading.store import Answer, AnswerSource, FetchedRow, Store, build_answer, etag_of
from app.readmodels import documents
from app.readmodels.catalog import CATEGORIES, Bundle, Category, Product, account_document, public_document
from app.readmodels.ordering.account_standing import standing_of
from app.readmodels.table import GLOBAL_ACCOUNT
from app.words.sentence import Phrase, say
from app.words.worded import Worded


class Availability(Worded, frozen=True):
    """Availability of a product to this account; `code` and `reason` say why it cannot be ordered."""

    available: bool
    """Whether it can be ordered now."""
    code: str | None = None
    """Why it cannot be ordered, for programs; null if it can."""
    reason: str | None = None
    """Why it cannot be ordered, to be shown; null if it can."""
    reason_phrases: tuple[Phrase, ...] = ()


class AccountProduct(Struct, frozen=True, kw_only=True):
    """A product with its availability to this account."""

    product: Product
    """The product."""
    availability: Availability
    """Whether this account can order it now."""


class AccountCategory(Struct, frozen=True, kw_only=True):
    """A category as this account may order it.

    The availability of Internet plans is for the billing address on file, `address`; orders for another address are
    checked against the eligibility, which names its own. `to_do_first` is what must be added before any order, and
    `left_out` says why products are missing that have no price in the currency that the account is billed in.
    """

    category: str
    name: str
    plans: list[AccountProduct]
    installations: list[Product]
    activation_fees: list[Product]
    add_ons: list[Product]
    regions: list[str]
    bundles: list[Bundle]
    address: Address | None
    """The address that the answer is about; null where none is known."""
    to_do_first: list[Advice]
    """What the customer has to do before anything can be ordered."""
    left_out: Advice | None = None
    """Why products are missing from the answer; null if none is."""


async def categories(store: Store) -> Answer:
    """List categories with their from-price."""
    return await _summaries(store, await public_pricing(store))


async def category(store: Store, name: str) -> Answer:
    """Read everything that a shop page of the category needs.

    Raises:
        NotFound: no such category.
    """
    if name not in CATEGORIES:
        raise NotFound(say("ordering.category_not_found"), code="category_not_found")
    return await _public(store, public_document(name), _priced_category)


async def product(store: Store, name: str, sku: str) -> Answer:
    """Read one public product.

    Raises:
        NotFound: no such product, withdrawn, or for some accounts only.
    """
    try:
        return await _public(store, public_document(name, sku), _priced_product)
    except NotReady:
        row = await store.pool.fetchrow("SELECT FROM read_model.catalog WHERE account_id = $1 LIMIT 1", GLOBAL_ACCOUNT)
        if row is None:
            raise
    raise NotFound(say("ordering.product_not_found"), code="product_not_found")


async def account_categories(store: Store, account_id: UUID) -> Answer:
    """List the categories for a logged-in customer, with the from-prices that this account is billed."""
    return await _summaries(store, await account_pricing(store, account_id))


async def account_category(store: Store, account_id: UUID, name: str) -> Answer:
    """Read a category with this account's variants: family SIM plans, duplicate Internet, eligibility."""
    if name not in CATEGORIES:
        raise NotFound(say("ordering.category_not_found"), code="category_not_found")
    found = await _document(store, account_document(name))
    if found is None:
        raise NotReady
    whole, pricing = msgspec.json.decode(found["body"], type=Category), await account_pricing(store, account_id)
    base = priced_category(whole, pricing)
    standing = await standing_of(store.pool, account_id)
    hidden = {item.sku for item in base.plans if item.family_only and not standing.has_active_sim}
    body = msgspec.json.encode(
        AccountCategory(
            category=base.category,
            name=base.name,
            plans=[_shown(plan, base, standing) for plan in base.plans if plan.sku not in hidden],
            installations=base.installations,
            activation_fees=base.activation_fees,
            add_ons=base.add_ons,
            regions=base.regions,
            bundles=[each for each in base.bundles if each.plan not in hidden],
            address=standing.address,
            to_do_first=to_do_first(standing),
            left_out=left_out(whole, pricing),
        )
    )
    sources, parked_at = await of_what_may_be_ordered(store, account_id)
    parked = [each for each in (parked_at, found["parked_at"]) if each is not None]
    sources = (*sources, *await own_price_sources(store))
    return build_answer(body, etag_of(body, found["etag"]), *sources, parked_at=min(parked, default=None))


def _shown(plan: Product, category: Category, standing: Standing) -> AccountProduct:
    """Show a plan with the first reason why the account cannot order it, by the rules that an order must keep."""
    item, others = item_of(plan, plan.facts), [*category.installations, *category.activation_fees, *category.add_ons]
    refused = account_refusal(standing) or next(refusals(item, standing, standing.address), None)
    if refused is None and not can_be_completed(item, [item_of(other, other.facts) for other in others]):
        refused = Advice("product_not_orderable", say("ordering.not_orderable_now", product=plan.name))
    availability = Availability(False, refused.code, refused.sentence) if refused else Availability(True)
    return AccountProduct(product=plan, availability=availability)


def _priced_category(body: bytes, pricing: Pricing) -> Struct:
    return priced_category(msgspec.json.decode(body, type=Category), pricing)


def _priced_product(body: bytes, pricing: Pricing) -> Struct:
    found = priced(msgspec.json.decode(body, type=Product), pricing)
    if found is None:
        raise NotReady
    return found


async def _public(store: Store, name: str, render: Callable[[bytes, Pricing], Struct]) -> Answer:
    found = await _found(store, name)
    body = msgspec.json.encode(render(found["body"], await public_pricing(store)))
    return build_answer(body, etag_of(body), *await _sources(store, found), parked_at=found["parked_at"])


async def _summaries(store: Store, pricing: Pricing) -> Answer:
    """Summarise every category, as old as the oldest of their documents."""
    documents = [await _found(store, public_document(name)) for name in CATEGORIES]
    categories = [priced_category(msgspec.json.decode(each["body"], type=Category), pricing) for each in documents]
    summaries = [summary_of(each, pricing.terms.tax) for each in categories]
    body = msgspec.json.encode({"items": summaries})
    oldest = min(documents, key=lambda each: each["as_of"])
    return build_answer(body, etag_of(body), *await _sources(store, oldest), parked_at=oldest["parked_at"])


async def _found(store: Store, name: str) -> FetchedRow:
    found = await _document(store, name)
    if found is None:
        raise NotReady(say("ordering.catalog_not_ready"))
    return found


async def _sources(store: Store, found: FetchedRow) -> tuple[AnswerSource, ...]:
    source = feed_source(store, found, "catalog", "all")
    if not source.verified:
        source = structs.replace(source, as_of=found["as_of"])
    return (source, *await own_price_sources(store))


async def _document(store: Store, name: str) -> FetchedRow | None:
    return await documents.read_with_freshness(
        store.pool, GLOBAL_ACCOUNT, name, upstream="salesforce", feed=store.catalog_feed
    )
