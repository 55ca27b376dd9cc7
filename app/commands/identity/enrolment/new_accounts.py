"""A new portal account: user, id mapping, refetch hints for its records, and mails that report it, all in the caller's
transaction.

Writes: portal.users, portal.id_mappings, portal.mails, ingest.inbox.
"""

from typing import Literal
from uuid import UUID, uuid4

import asyncpg
from msgspec import Struct
from msgspec.structs import asdict

from app.commands.identity.users import User
from app.db import Db
from app.errors import Conflict
from app.ingest import id_mappings
from app.ingest.inbox import inbox
from app.ingest.refetch import owners
from app.words.languages import Language
from app.words.sentence import say

NoticeKind = Literal["account_signed_up", "account_linked"]


class NewAccount(Struct, frozen=True):
    """A new user, and the account that the user acts for."""

    user: User
    account_id: UUID


class Ids(Struct, frozen=True, kw_only=True):
    """The ids of an account in the other systems."""

    customer_number: str
    salesforce_account_id: str
    whmcs_client_id: str


class NewAccountNotice(Struct, frozen=True, kw_only=True):
    """The mail about a new account, and the mailboxes that receive it."""

    kind: NoticeKind
    mailboxes: tuple[str, ...]
    language: Language | None


class Made(Struct, frozen=True):
    """A created account. After the commit, wake the shards `to_wake`; the account shows once `submission` is
    settled."""

    account_id: UUID
    submission: int
    to_wake: set[tuple[str, int]]


async def add(connection: Db, user: User, password_hash: str, ids: Ids, notice: NewAccountNotice) -> Made:
    """Create the account. Every mailbox is notified, so that nobody is signed up or linked unnoticed.

    Raises:
        Conflict: `account_exists`, the address or one of the ids belongs to another user.
    """
    account_id = uuid4()
    try:
        await connection.execute(
            "INSERT INTO portal.users (id, email, first_name, last_name, role, password_hash) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            *(getattr(user, name) for name in User.__struct_fields__),
            password_hash,
        )
        await id_mappings.add(connection, account_id, user.user_id, **asdict(ids))
    except asyncpg.UniqueViolationError as error:
        raise Conflict(say("identity.account_exists"), code="account_exists") from error
    recipients = {each.casefold(): each for each in notice.mailboxes if each}
    await connection.executemany(
        "INSERT INTO portal.mails (kind, recipient, about, language) VALUES ($1, $2, $3, $4)",
        [(notice.kind, each, account_id, notice.language) for each in recipients.values()],
    )
    changes = owners.linked(account_id, ids.whmcs_client_id, ids.salesforce_account_id)
    submission, to_wake = await inbox.append(connection, changes)
    return Made(account_id, submission, to_wake)
