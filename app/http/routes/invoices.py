"""Read an account's invoices, subscriptions and payment methods."""

from datetime import date
from typing import Annotated, Literal

from litestar import Response, get
from litestar.params import FromPath, FromQuery, QueryParameter

from app.errors import InvalidRequest, NotFound, Violation
from app.http.answering.handler_types import AnyRequest, ListPaging, OwnAccount, ReadStore, answers
from app.http.answering.paging import SearchParameter
from app.http.answering.query_response import respond
from app.http.policies.policy import CUSTOMER, FastRead, FirstPage, Policy, for_everyone
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
    operation_id="listInvoices",
    summary="Invoices",
    tags=["Billing"],
    responses=answers(Invoices, "A page of invoices."),
)
async def list_invoices(
    request: AnyRequest,
    account: OwnAccount,
    store: ReadStore,
    paging: ListPaging,
    status: FromQuery[list[InvoiceStatus] | None] = None,
    text: SearchParameter = None,
    issued_from: IssuedFrom = None,
    issued_to: IssuedTo = None,
    sort: FromQuery[InvoiceSort | None] = None,
) -> Response[bytes]:
    """The account's invoices, newest first unless `sort` says otherwise. `overdue` means unpaid with a due date in the
    past, in the customer's time zone. Of several statuses (`status=paid&status=refunded`) any will do."""
    if issued_from and issued_to and issued_from > issued_to:
        raise InvalidRequest(errors=[Violation("to", "invalid_parameter", "`to` is before `from`.")])
    wanted = invoices.InvoiceFilter(
        statuses=status or (), text=text, issued_from=issued_from, issued_to=issued_to, sort=sort
    )
    page, make = paging.of(sort or "")
    return await respond(request, account, lambda: invoices.list_invoices(store, account, page, make, wanted))


@get(
    "/api/invoices/{invoice_id:str}",
    policy=Policy(roles=CUSTOMER, problems=(NotFound,), fast=FastRead(invoices.invoice)),
    operation_id="getInvoice",
    summary="One invoice",
    tags=["Billing"],
    responses=answers(InvoiceAnswer, "The invoice."),
)
async def get_invoice(
    request: AnyRequest, account: OwnAccount, store: ReadStore, invoice_id: FromPath[str]
) -> Response[bytes]:
    """An invoice with lines, taxes, credit, payments and refunds. The lines always add up to the total."""
    return await respond(request, account, lambda: invoices.invoice(store, account, invoice_id))


@get(
    "/api/subscriptions",
    policy=Policy(roles=CUSTOMER, cursor="subscriptions:{account}", fast=FirstPage(subscriptions.list_subscriptions)),
    operation_id="listSubscriptions",
    summary="Subscriptions",
    tags=["Subscriptions"],
    responses=answers(Subscriptions, "A page of subscriptions."),
)
async def list_subscriptions(
    request: AnyRequest,
    account: OwnAccount,
    store: ReadStore,
    paging: ListPaging,
    status: FromQuery[list[ServiceStatus] | None] = None,
    text: SearchParameter = None,
) -> Response[bytes]:
    """The account's subscriptions, newest first, optionally of some statuses (`status=active&status=suspended`) and
    with some text."""
    page, make = paging.of()
    wanted = status or (), text
    return await respond(
        request, account, lambda: subscriptions.list_subscriptions(store, account, page, make, *wanted)
    )


@get(
    "/api/subscriptions/{subscription_id:str}",
    policy=Policy(roles=CUSTOMER, problems=(NotFound,), fast=FastRead(subscriptions.subscription)),
    operation_id="getSubscription",
    summary="One subscription",
    tags=["Subscriptions"],
    responses=answers(SubscriptionAnswer, "The subscription."),
)
async def get_subscription(
    request: AnyRequest, account: OwnAccount, store: ReadStore, subscription_id: FromPath[str]
) -> Response[bytes]:
    """A subscription with status, price, billing cycle, next due date and scheduled changes."""
    return await respond(request, account, lambda: subscriptions.subscription(store, account, subscription_id))


@get(
    "/api/subscriptions/{subscription_id:str}/plans",
    policy=Policy(roles=CUSTOMER, problems=(NotFound,), asks_upstream=True),
    operation_id="listSubscriptionPlans",
    summary="Plans that a subscription can be changed to",
    tags=["Subscriptions"],
    responses=answers(OtherPlansAnswer, "Other plans, the cheapest first."),
)
async def subscription_plans(
    request: AnyRequest, account: OwnAccount, store: ReadStore, subscription_id: FromPath[str]
) -> Response[bytes]:
    """The plans that the subscription can change to, with their monthly prices. `preview` calculates the price for the
    rest of the current period."""
    return await respond(request, account, lambda: plans.plans(store, account, subscription_id))


@get(
    "/api/subscriptions/{subscription_id:str}/invoices",
    policy=Policy(roles=CUSTOMER, problems=(NotFound,), cursor="invoices:{account}:of:{variant}"),
    operation_id="listSubscriptionInvoices",
    summary="Invoices of a subscription",
    tags=["Subscriptions"],
    responses=answers(Invoices, "A page of invoices."),
)
async def subscription_invoices(
    request: AnyRequest,
    account: OwnAccount,
    store: ReadStore,
    subscription_id: FromPath[str],
    paging: ListPaging,
) -> Response[bytes]:
    """The invoices that bill this subscription, newest first."""
    await subscriptions.subscription(store, account, subscription_id)
    wanted = invoices.InvoiceFilter(subscription_id=subscription_id)
    page, make = paging.of(subscription_id)
    return await respond(request, account, lambda: invoices.list_invoices(store, account, page, make, wanted))


@get(
    "/api/payment-methods",
    policy=Policy(
        roles=CUSTOMER, cursor="payment-methods:{account}", fast=FirstPage(payment_methods.list_payment_methods)
    ),
    operation_id="listPaymentMethods",
    summary="Payment methods",
    tags=["Billing"],
    responses=answers(PaymentMethods, "A page of payment methods."),
)
async def list_payment_methods(
    request: AnyRequest, account: OwnAccount, store: ReadStore, paging: ListPaging
) -> Response[bytes]:
    """The payment methods on file in the billing system: type, brand, last four digits, expiry."""
    page, make = paging.of()
    return await respond(request, account, lambda: payment_methods.list_payment_methods(store, account, page, make))


@get(
    "/api/payment-gateways",
    policy=Policy(roles=CUSTOMER, fast=FastRead(for_everyone(payment_methods.gateways), shared=True)),
    operation_id="listPaymentGateways",
    summary="Payment gateways",
    tags=["Billing"],
    responses=answers(PaymentGateways, "The gateways."),
)
async def list_payment_gateways(request: AnyRequest, account: OwnAccount, store: ReadStore) -> Response[bytes]:
    """The payment gateways that the company offers, for payment links."""
    return await respond(request, account, lambda: payment_methods.gateways(store))


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
