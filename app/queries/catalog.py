"""The catalog: the same for everyone, and as one account may order it.

Reads: documents `catalog…`, read_model.subscriptions, read_model.eligibility and what `prices` and `slice_age` read.
"""

from collections.abc import Callable
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from app.db import only_row
from app.errors import NotFound, NotReady
from app.queries.prices import Pricing, account_pricing, priced, priced_category, public_pricing, summary_of
from app.queries.reading.own_price_age import own_price_sources
from app.queries.reading.slice_age import feed_source, of_services_and_feed
from app.queries.reading.store import Answer, AnswerSource, FetchedRow, Store, build_answer, etag_of
from app.readmodels import documents
from app.readmodels.catalog import CATEGORIES, Bundle, Category, Product, account_document, public_document
from app.readmodels.services import ACTIVE_SIMS, HOLDS_INTERNET
from app.readmodels.table import GLOBAL_ACCOUNT

_HELD = f"SELECT {ACTIVE_SIMS} AS sims, {HOLDS_INTERNET} AS internet"


class Availability(Struct, frozen=True):
    """Availability of a product to this account; `code` and `reason` say why it cannot be ordered."""

    available: bool
    code: str | None = None
    reason: str | None = None


class AccountProduct(Struct, frozen=True, kw_only=True):
    """A product with its availability to this account."""

    product: Product
    availability: Availability


class AccountCategory(Struct, frozen=True, kw_only=True):
    """A category as this account may order it."""

    category: str
    name: str
    plans: list[AccountProduct]
    installations: list[Product]
    activation_fees: list[Product]
    add_ons: list[Product]
    regions: list[str]
    bundles: list[Bundle]


async def categories(store: Store) -> Answer:
    """List categories with their from-price."""
    return await _summaries(store, await public_pricing(store))


async def category(store: Store, name: str) -> Answer:
    """Read everything that a shop page of the category needs.

    Raises:
        NotFound: no such category.
    """
    if name not in CATEGORIES:
        raise NotFound("There is no such category.", code="category_not_found")
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
    raise NotFound("There is no such product.", code="product_not_found")


async def account_categories(store: Store, account_id: UUID) -> Answer:
    """List the categories for a logged-in customer, with the from-prices that this account is billed."""
    return await _summaries(store, await account_pricing(store, account_id))


async def account_category(store: Store, account_id: UUID, name: str) -> Answer:
    """Read a category with this account's variants: family SIM plans, duplicate Internet, eligibility."""
    if name not in CATEGORIES:
        raise NotFound("There is no such category.", code="category_not_found")
    found = await _document(store, account_document(name))
    if found is None:
        raise NotReady
    base = priced_category(msgspec.json.decode(found["body"], type=Category), await account_pricing(store, account_id))
    facts = await _facts(store, account_id)
    family = {item.sku for item in base.plans if item.family_only}
    plans = [AccountProduct(product=item, availability=_availability(item, facts)) for item in base.plans]
    body = msgspec.json.encode(
        AccountCategory(
            category=base.category,
            name=base.name,
            plans=[plan for plan in plans if facts.has_sim or plan.product.sku not in family],
            installations=base.installations,
            activation_fees=base.activation_fees,
            add_ons=base.add_ons,
            regions=base.regions,
            bundles=[each for each in base.bundles if facts.has_sim or each.plan not in family],
        )
    )
    services, feed, parked_at = await of_services_and_feed(store, account_id)
    parked = [each for each in (parked_at, found["parked_at"]) if each is not None]
    sources = (feed, services, *await own_price_sources(store))
    return build_answer(body, etag_of(body, found["etag"]), *sources, parked_at=min(parked, default=None))


class _Facts(Struct, frozen=True):
    has_sim: bool
    has_internet: bool
    internet_status: str
    offering: str | None


async def _facts(store: Store, account_id: UUID) -> _Facts:
    held = await only_row(store.pool, _HELD, account_id)
    row = await store.pool.fetchrow(
        "SELECT internet_status, internet_offering FROM read_model.eligibility WHERE account_id = $1", account_id
    )
    status, offering = (row["internet_status"], row["internet_offering"]) if row else ("not_requested", None)
    return _Facts(held["sims"] > 0, held["internet"], status, offering)


def _availability(item: Product, facts: _Facts) -> Availability:
    if not item.orderable:
        return Availability(False, "product_not_orderable", "This product cannot be ordered online.")
    if item.category == "internet" and facts.has_internet:
        return Availability(False, "duplicate_internet", "You already have an active Internet service.")
    if item.category == "internet" and facts.internet_status != "eligible":
        return Availability(False, "not_eligible", "Availability at your address must be confirmed first.")
    offering = item.facts.get("internet_offering_type")
    if offering and facts.offering and offering != facts.offering:
        return Availability(False, "not_eligible", f"Your address can have {facts.offering}.")
    return Availability(True)


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
        raise NotReady("The catalog is being prepared. Please try again in a moment.")
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
