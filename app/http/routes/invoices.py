"""An account's invoices, subscriptions and payment methods."""

from datetime import date
from typing import Annotated, Any, Literal

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery, QueryParameter

from app.errors import InvalidRequest, NotFound, Violation
from app.http.answering.handler_types import Caller, answers
from app.http.answering.query_response import cursor_for, page_of, respond
from app.http.policies.policy import CUSTOMER, FastRead, FirstPage, Policy, for_everyone
from app.http.routes.orders_read import CursorParameter, LimitParameter
from app.queries import invoices, payment_methods, plans, subscriptions
from app.queries.shapes import (
    InvoiceAnswer,
    Invoices,
    OtherPlansAnswer,
    PaymentGateways,
    PaymentMethods,
    SubscriptionAnswer,
    Subscriptions,
)
from app.readmodels.invoices import InvoiceStatus
from app.readmodels.subscriptions import ServiceStatus

InvoiceSort = Literal["issued_on", "-issued_on", "due_on", "-due_on", "total", "-total"]
IssuedFrom = Annotated[date | None, QueryParameter(name="from", description="Issued on this day or later.")]
IssuedTo = Annotated[date | None, QueryParameter(name="to", description="Issued on this day or earlier.")]


@get(
    "/api/invoices",
    policy=Policy(roles=CUSTOMER, cursor="invoices:{account}:{variant}", fast=FirstPage(invoices.list_invoices)),
    summary="Invoices",
    tags=["Billing"],
    responses=answers(Invoices, "A page of invoices."),
)
async def list_invoices(
    request: Request[Any, Any, State],
    actor: Caller,
    limit: LimitParameter = 25,
    cursor: CursorParameter = None,
    status: FromQuery[InvoiceStatus | None] = None,
    issued_from: IssuedFrom = None,
    issued_to: IssuedTo = None,
    sort: FromQuery[InvoiceSort | None] = None,
) -> Response[bytes]:
    """Newest first unless sorted otherwise. `overdue` is every unpaid one whose due day has passed where you are."""
    store, account_id = request.app.state.store, actor.account_id_or_refuse()
    if issued_from and issued_to and issued_from > issued_to:
        raise InvalidRequest(errors=[Violation("to", "invalid_parameter", "`to` lies before `from`.")])
    wanted = invoices.InvoiceFilter(status=status, issued_from=issued_from, issued_to=issued_to, sort=sort)
    scope = f"invoices:{account_id}:{sort or ''}"
    page = page_of(request, scope, limit, cursor)
    make = cursor_for(request, scope)
    return await respond(request, account_id, lambda: invoices.list_invoices(store, account_id, page, make, wanted))


@get(
    "/api/invoices/{invoice_id:str}",
    policy=Policy(roles=CUSTOMER, problems=(NotFound,), fast=FastRead(invoices.invoice)),
    summary="One invoice",
    tags=["Billing"],
    responses=answers(InvoiceAnswer, "The invoice."),
)
async def get_invoice(request: Request[Any, Any, State], actor: Caller, invoice_id: FromPath[str]) -> Response[bytes]:
    """Lines, taxes, credit, payments and refunds. The lines always come to the total."""
    store, account_id = request.app.state.store, actor.account_id_or_refuse()
    return await respond(request, account_id, lambda: invoices.invoice(store, account_id, invoice_id))


@get(
    "/api/subscriptions",
    policy=Policy(roles=CUSTOMER, cursor="subscriptions:{account}", fast=FirstPage(subscriptions.list_subscriptions)),
    summary="Subscriptions",
    tags=["Subscriptions"],
    responses=answers(Subscriptions, "A page of subscriptions."),
)
async def list_subscriptions(
    request: Request[Any, Any, State],
    actor: Caller,
    limit: LimitParameter = 25,
    cursor: CursorParameter = None,
    status: FromQuery[ServiceStatus | None] = None,
) -> Response[bytes]:
    """Newest first, optionally of one status."""
    store, account_id = request.app.state.store, actor.account_id_or_refuse()
    scope = f"subscriptions:{account_id}"
    page = page_of(request, scope, limit, cursor)
    make = cursor_for(request, scope)
    return await respond(
        request, account_id, lambda: subscriptions.list_subscriptions(store, account_id, page, make, status)
    )


@get(
    "/api/subscriptions/{subscription_id:str}",
    policy=Policy(roles=CUSTOMER, problems=(NotFound,), fast=FastRead(subscriptions.subscription)),
    summary="One subscription",
    tags=["Subscriptions"],
    responses=answers(SubscriptionAnswer, "The subscription."),
)
async def get_subscription(
    request: Request[Any, Any, State], actor: Caller, subscription_id: FromPath[str]
) -> Response[bytes]:
    """Status, price, cycle and next due date."""
    store, account_id = request.app.state.store, actor.account_id_or_refuse()
    return await respond(request, account_id, lambda: subscriptions.subscription(store, account_id, subscription_id))


@get(
    "/api/subscriptions/{subscription_id:str}/plans",
    policy=Policy(roles=CUSTOMER, problems=(NotFound,), asks_upstream=True),
    summary="Plans that a subscription can be changed to",
    tags=["Subscriptions"],
    responses=answers(OtherPlansAnswer, "Other plans, the cheapest first."),
)
async def subscription_plans(
    request: Request[Any, Any, State], actor: Caller, subscription_id: FromPath[str]
) -> Response[bytes]:
    """With what a month of each costs; what it would cost for the rest of this period is asked for by `preview`."""
    store, account_id = request.app.state.store, actor.account_id_or_refuse()
    return await respond(request, account_id, lambda: plans.plans(store, account_id, subscription_id))


@get(
    "/api/subscriptions/{subscription_id:str}/invoices",
    policy=Policy(roles=CUSTOMER, problems=(NotFound,), cursor="invoices:{account}:of:{variant}"),
    summary="Invoices of a subscription",
    tags=["Subscriptions"],
    responses=answers(Invoices, "A page of invoices."),
)
async def subscription_invoices(
    request: Request[Any, Any, State],
    actor: Caller,
    subscription_id: FromPath[str],
    limit: LimitParameter = 25,
    cursor: CursorParameter = None,
) -> Response[bytes]:
    """The invoices that bill this service, newest first."""
    store, account_id = request.app.state.store, actor.account_id_or_refuse()
    await subscriptions.subscription(store, account_id, subscription_id)
    wanted = invoices.InvoiceFilter(subscription_id=subscription_id)
    scope = f"invoices:{account_id}:of:{subscription_id}"
    page = page_of(request, scope, limit, cursor)
    make = cursor_for(request, scope)
    return await respond(request, account_id, lambda: invoices.list_invoices(store, account_id, page, make, wanted))


@get(
    "/api/payment-methods",
    policy=Policy(
        roles=CUSTOMER, cursor="payment-methods:{account}", fast=FirstPage(payment_methods.list_payment_methods)
    ),
    summary="Payment methods",
    tags=["Billing"],
    responses=answers(PaymentMethods, "A page of payment methods."),
)
async def list_payment_methods(
    request: Request[Any, Any, State], actor: Caller, limit: LimitParameter = 25, cursor: CursorParameter = None
) -> Response[bytes]:
    """Methods on file in WHMCS: type, brand, last four, expiry."""
    store, account_id = request.app.state.store, actor.account_id_or_refuse()
    scope = f"payment-methods:{account_id}"
    page = page_of(request, scope, limit, cursor)
    make = cursor_for(request, scope)
    return await respond(
        request, account_id, lambda: payment_methods.list_payment_methods(store, account_id, page, make)
    )


@get(
    "/api/payment-gateways",
    policy=Policy(roles=CUSTOMER, fast=FastRead(for_everyone(payment_methods.gateways), shared=True)),
    summary="Payment gateways",
    tags=["Billing"],
    responses=answers(PaymentGateways, "The gateways."),
)
async def list_payment_gateways(request: Request[Any, Any, State], actor: Caller) -> Response[bytes]:
    """The ways to pay that the company offers."""
    store = request.app.state.store
    return await respond(request, actor.account_id_or_refuse(), lambda: payment_methods.gateways(store))


ROUTES = (
    list_invoices,
    get_invoice,
    list_subscriptions,
    get_subscription,
    subscription_plans,
    subscription_invoices,
    list_payment_methods,
    list_payment_gateways,
)
