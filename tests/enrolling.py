"""Customers at the portal's door: what they are mailed, and the steps of signing up and linking."""

import re
from typing import Any

import pytest

from app.commands import mail
from app.commands.complete_link import CompleteLink, complete_link
from app.commands.complete_sign_up import CompleteSignUp, complete_sign_up
from app.commands.context import Actor, Context, Done
from app.commands.link_account import LinkAccount, link_account
from app.commands.link_steps import LinkOffered
from app.commands.sign_up import Address, SignUp, sign_up
from app.errors import NotAuthenticated

ANYBODY = Actor(address="203.0.113.7", request_id="test")
PASSWORD = "paper crane lantern 24"
CODE = re.compile(r"\b[A-Z2-9]{4}-[A-Z2-9]{4}\b")
TRIES = 5


async def mails(context: Context, sandbox: Any, to: str) -> list[dict[str, str]]:
    """What this mailbox holds once the worker has sent everything, the latest first."""
    while await mail.send_due(context.pool, context.settings) == mail.BATCH:
        pass
    found: list[dict[str, str]] = (await sandbox.control.get("/mail/", params={"to": to.lower()})).json()["mails"]
    return found


async def code_to(context: Context, sandbox: Any, to: str) -> str:
    """The latest code that this mailbox got; empty when it got none."""
    found = [CODE.search(each["text"]) for each in await mails(context, sandbox, to)]
    return next((each[0] for each in found if each), "")


def request_of(customer: dict[str, Any], **changes: Any) -> SignUp:
    """A sample customer's sign-up."""
    fields: dict[str, Any] = {
        "email": customer["email"],
        "password": PASSWORD,
        "first_name": customer["first_name"],
        "last_name": customer["last_name"],
        "phone": "03-1234-5678",
        "customer_number": customer["customer_number"],
        "address": Address(
            address1="1-2-3 Shibuya", city="Shibuya-ku", state="Tokyo", postcode="150-0002", country="JP"
        ),
    }
    return SignUp(**{**fields, **changes})


async def begun(context: Context, request: SignUp, actor: Actor = ANYBODY) -> str:
    """Begin to sign up; the token."""
    return str((await sign_up(context, actor, request)).result.signup_token)


async def proof_of(context: Context, sandbox: Any, customer: dict[str, Any], **changes: Any) -> CompleteSignUp:
    """A sign-up with every code that the customer can read: in the mailbox on file, and at the address given."""
    request = request_of(customer, **changes)
    token = await begun(context, request)
    code = await code_to(context, sandbox, customer["email"])
    proof = CompleteSignUp(signup_token=token, code=code)
    if request.email.lower() == customer["email"].lower():
        return proof
    await _asked_for_the_second(context, proof)
    return CompleteSignUp(signup_token=token, code=code, email_code=await code_to(context, sandbox, request.email))


async def _asked_for_the_second(context: Context, proof: CompleteSignUp) -> None:
    with pytest.raises(NotAuthenticated, match="email_code_required"):
        await complete_sign_up(context, ANYBODY, proof)


async def signed_up(context: Context, sandbox: Any, customer: dict[str, Any], **changes: Any) -> Done:
    """Sign up, with every code."""
    return await complete_sign_up(context, ANYBODY, await proof_of(context, sandbox, customer, **changes))


async def offered(context: Context, email: str, password: str, actor: Actor = ANYBODY) -> LinkOffered:
    """Begin to link."""
    found: LinkOffered = (await link_account(context, actor, LinkAccount(email, password))).result
    return found


async def linked(context: Context, token: str) -> Done:
    """Finish linking."""
    return await complete_link(context, ANYBODY, CompleteLink(token, PASSWORD))
