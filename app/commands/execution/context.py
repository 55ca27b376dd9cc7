"""What a command gets, what it gives back, and how one is registered."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal
from uuid import UUID

import asyncpg
from msgspec import Struct

from app.cache.redis_breaker import GuardedRedis
from app.commands.execution.locks import Locks
from app.errors import NotAllowed
from app.ingest.inbox.inbox import Inbox
from app.integrations.freebit.client import FreebitClient
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.whm.client import WhmClient
from app.integrations.whmcs.client import WhmcsClient
from app.settings import Settings


class Context(Struct, frozen=True):
    """Engines and upstreams."""

    settings: Settings
    pool: asyncpg.Pool
    redis: GuardedRedis
    inbox: Inbox
    salesforce: SalesforceClient
    whmcs: WhmcsClient
    freebit: FreebitClient
    whm: WhmClient
    locks: Locks


class Actor(Struct, frozen=True, kw_only=True):
    """Who acts. Nobody in particular on public routes.

    `mfa` says that a second factor was proven in this session. `command_key` is what makes a command repeatable
    upstream: the same for every repetition of one request.
    """

    role: str = "anonymous"
    mfa: bool = False
    user_id: UUID | None = None
    session_id: UUID | None = None
    account_id: UUID | None = None
    whmcs_client_id: str = ""
    salesforce_account_id: str = ""
    request_id: str = ""
    address: str = ""
    command_key: str = ""

    def account_id_or_refuse(self) -> UUID:
        """The account of the session.

        Raises:
            NotAllowed: staff have no account of their own.
        """
        if self.account_id is None:
            raise NotAllowed("This needs a customer's session.", code="customer_session_required")
        return self.account_id


class Done(Struct, frozen=True):
    """A command that succeeded.

    `submission` is what must settle before its effect shows in queries; `shows` is whether it does by now. The rest is
    for the audit log: what it was done to, and for whom, when that is not the caller.
    """

    result: Any
    submission: int | None = None
    shows: bool = True
    target: str = ""
    user_id: UUID | None = None
    account_id: UUID | None = None


Handler = Callable[[Context, Actor, Any], Awaitable[Done]]


class Command(Struct, frozen=True):
    """A registered command.

    Attributes:
        idempotency_key: whether the caller must send one, or may.
        replayable: whether the first answer may be kept and given again; false when it holds a secret.
        changes: whether it changes anything, and so stands in the audit log.
    """

    name: str
    handle: Handler
    idempotency_key: Literal["required", "accepted"] = "accepted"
    replayable: bool = True
    changes: bool = True
