"""The catalog, public (the same bytes for everyone) and for one account; eligibility, profile and address."""

from collections.abc import Awaitable
from uuid import UUID

from litestar import Response, get
from litestar.params import FromPath

from app.errors import NotFound
from app.http.answering.handler_types import AnyRequest, OwnAccount, ReadStore, answers
from app.http.answering.query_response import NEVER_STORED, PRIVATE, respond, respond_publicly
from app.http.policies.policy import ANYBODY, CUSTOMER, FastRead, Policy, for_account, for_everyone
from app.queries import catalog, profiles
from app.queries.reading.store import Answer, Store
from app.queries.shapes import (
    AccountCategoryAnswer,
    AddressAnswer,
    Categories,
    CategoryAnswer,
    EligibilityAnswer,
    ProductAnswer,
    ProfileAnswer,
)


def _category(store: Store, _: UUID, category: str) -> Awaitable[Answer]:
    return catalog.category(store, category)


def _product(store: Store, _: UUID, path: str) -> Awaitable[Answer]:
    category, sku = path.split("/", 1)
    return catalog.product(store, category, sku)


@get(
    "/api/public/services",
    policy=Policy(roles=ANYBODY, limit="public", fast=FastRead(for_everyone(catalog.categories), shared=True)),
    operation_id="getPublicCatalog",
    summary="Categories with their from-price",
    tags=["Catalog"],
    responses=answers(Categories, "The categories."),
)
async def public_services(request: AnyRequest, store: ReadStore) -> Response[bytes]:
    """The categories of the catalog with their lowest prices, without consumption tax. The same for everyone, so that
    shared caches may store it."""
    return await respond_publicly(request, lambda: catalog.categories(store))


@get(
    "/api/public/services/{category:str}",
    policy=Policy(roles=ANYBODY, limit="public", problems=(NotFound,), fast=FastRead(_category, shared=True)),
    operation_id="getPublicCategory",
    summary="One category",
    tags=["Catalog"],
    responses=answers(CategoryAnswer, "The category."),
)
async def public_category(request: AnyRequest, store: ReadStore, category: FromPath[str]) -> Response[bytes]:
    """A category (`internet`, `sim`, `vpn` or `hosting`) with its plans, installations, activation fees, add-ons and
    regions."""
    return await respond_publicly(request, lambda: catalog.category(store, category))


@get(
    "/api/public/services/{category:str}/{sku:str}",
    policy=Policy(roles=ANYBODY, limit="public", problems=(NotFound,), fast=FastRead(_product, shared=True)),
    operation_id="getPublicProduct",
    summary="One product",
    tags=["Catalog"],
    responses=answers(ProductAnswer, "The product."),
)
async def public_product(
    request: AnyRequest,
    store: ReadStore,
    category: FromPath[str],
    sku: FromPath[str],
) -> Response[bytes]:
    """A public product of the catalog. 404 for products that were withdrawn."""
    return await respond_publicly(request, lambda: catalog.product(store, category, sku))


@get(
    "/api/account/services",
    policy=Policy(roles=CUSTOMER),
    operation_id="getAccountCatalog",
    summary="Categories, for a customer",
    tags=["Catalog"],
    responses=answers(Categories, "The categories."),
)
async def account_services(request: AnyRequest, account: OwnAccount, store: ReadStore) -> Response[bytes]:
    """The categories of the catalog as the caller's account sees them."""
    return await respond(request, account, lambda: catalog.account_categories(store, account), cache=NEVER_STORED)


@get(
    "/api/account/services/{category:str}",
    policy=Policy(roles=CUSTOMER, problems=(NotFound,)),
    operation_id="getAccountCategory",
    summary="One category, for a customer",
    tags=["Catalog"],
    responses=answers(AccountCategoryAnswer, "The category."),
)
async def account_category(
    request: AnyRequest, account: OwnAccount, store: ReadStore, category: FromPath[str]
) -> Response[bytes]:
    """A category with the variants for this account, and the reason for each product that is not available to it."""
    return await respond(
        request, account, lambda: catalog.account_category(store, account, category), cache=NEVER_STORED
    )


@get(
    "/api/account/eligibility",
    policy=Policy(roles=CUSTOMER, fast=FastRead(for_account(profiles.eligibility))),
    operation_id="getEligibility",
    summary="Eligibility",
    tags=["Account"],
    responses=answers(EligibilityAnswer, "The state per category."),
)
async def account_eligibility(request: AnyRequest, account: OwnAccount, store: ReadStore) -> Response[bytes]:
    """The current eligibility per category, as staff have determined it with the carrier."""
    return await respond(request, account, lambda: profiles.eligibility(store, account), PRIVATE)


@get(
    "/api/account/profile",
    policy=Policy(roles=CUSTOMER, fast=FastRead(for_account(profiles.profile))),
    operation_id="getProfile",
    summary="Profile",
    tags=["Account"],
    responses=answers(ProfileAnswer, "The profile."),
)
async def account_profile(request: AnyRequest, account: OwnAccount, store: ReadStore) -> Response[bytes]:
    """Name, contact data and billing address of the customer, as the billing system has them."""
    return await respond(request, account, lambda: profiles.profile(store, account), PRIVATE)


@get(
    "/api/account/address",
    policy=Policy(roles=CUSTOMER, fast=FastRead(for_account(profiles.address))),
    operation_id="getAddress",
    summary="Billing address",
    tags=["Account"],
    responses=answers(AddressAnswer, "The address."),
)
async def account_address(request: AnyRequest, account: OwnAccount, store: ReadStore) -> Response[bytes]:
    """The billing address, as the billing system has it. Its ETag is for `If-Match` of a change."""
    return await respond(request, account, lambda: profiles.address(store, account), PRIVATE)


ROUTES = (
    public_services,
    public_category,
    public_product,
    account_services,
    account_category,
    account_eligibility,
    account_profile,
    account_address,
)
