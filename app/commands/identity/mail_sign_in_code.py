"""Mail a sign-in code, which bypasses a lockout for the owner of the mailbox.

The request takes the same time and gives the same answer for every address.

Writes: portal.mails.
"""

from typing import Annotated

from msgspec import Meta, Struct

from app.commands import mail_outbox
from app.commands.execution.context import Actor, Command, Context, Done
from app.inputs.email import KnownEmail


class MailSignInCode(Struct, forbid_unknown_fields=True):
    """The e-mail address of the user."""

    email: Annotated[KnownEmail, Meta(max_length=254)]


async def mail_sign_in_code(ctx: Context, actor: Actor, request: MailSignInCode) -> Done:
    """Enqueue the mail, if there is such a user. Codes that were mailed earlier stay valid."""
    await mail_outbox.enqueue_once(ctx.pool, "sign_in_code", request.email, actor.language)
    return Done(None)


COMMAND = Command(mail_sign_in_code, writes=(), away="refuse", replayable=False)
