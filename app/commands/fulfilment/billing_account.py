"""The customer's account in WHMCS, which must be there and open before anything is billed to it."""

from app.commands.fulfilment.work import Fail, Pause, Work
from app.errors import UpstreamNotFound
from app.intake.words import folded
from app.readmodels.ordering.order_life import PauseCode
from app.readmodels.profiles import CLOSED_CLIENTS

CLOSED: PauseCode = "BILLING_ACCOUNT_CLOSED"
MISSING: PauseCode = "BILLING_ACCOUNT_MISSING"
REOPENED_POLL_SECONDS = 900.0
"""How often a closed account is read again; a hook of WHMCS usually reports sooner that it was opened."""


async def closed(work: Work) -> Fail | Pause | None:
    """Return why nothing can be billed to the customer, read live; None if the account is open."""
    try:
        client = await work.ctx.whmcs.client(work.whmcs_client_id)
    except UpstreamNotFound:
        return missing(f"WHMCS has no client {work.whmcs_client_id}.")
    if folded(client.data.get("status")) not in CLOSED_CLIENTS:
        return None
    sentence = f"WHMCS client {work.whmcs_client_id} is {client.data['status']}. Activation goes on when it is Active."
    return Pause(CLOSED, sentence, REOPENED_POLL_SECONDS)


def missing(why: str) -> Fail:
    """Return the outcome for a customer without an account."""
    return Fail(MISSING, f"{why} Link the customer to one, then continue the order.")
