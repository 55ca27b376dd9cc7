"""The charges of an account: fees, and what is billed once."""

from litestar import Response, get
from litestar.params import FromQuery

from app.http.answering.handler_types import AnyRequest, ListPaging, OwnAccount, ReadStore, answers
from app.http.answering.query_response import respond
from app.http.policies.policy import CUSTOMER, Policy
from app.queries import charges
from app.queries.shapes import Charges
from app.readmodels.subscriptions import ServiceStatus


@get(
    "/api/charges",
    policy=Policy(roles=CUSTOMER, cursor="charges:{account}"),
    operation_id="listCharges",
    summary="Charges",
    tags=["Billing"],
    responses=answers(Charges, "A page of charges."),
)
async def list_charges(
    request: AnyRequest,
    account: OwnAccount,
    store: ReadStore,
    paging: ListPaging,
    status: FromQuery[list[ServiceStatus] | None] = None,
) -> Response[bytes]:
    """Activation and installation fees, also those paid in instalments, and products that are billed once, newest
    first. They are no subscriptions: nothing runs on while they are active."""
    page, make = paging.of()
    return await respond(request, account, lambda: charges.list_charges(store, account, page, make, status or ()))


ROUTES = (list_charges,)
