"""The input, the result and the declaration of a command."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal
from uuid import UUID

import asyncpg
from msgspec import Struct

from app.cache.redis_breaker import GuardedRedis
from app.commands.execution.locks import Locks
from app.errors import NotAllowed
from app.ingest.inbox.inbox import Inbox
from app.ingest.inbox.pending import Pending
from app.integrations.freebit.client import FreebitClient
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.whm.client import WhmClient
from app.integrations.whmcs.client import WhmcsClient
from app.settings import Settings
from app.words.languages import Language
from app.words.sentence import say


class Context(Struct, frozen=True):
    """The engines, upstreams and settings that commands use."""

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
    """The caller of a command; anonymous on public routes.

    `mfa`: a second factor was proven in this session. `command_key` makes a command repeatable upstream: it is the same
    for every repetition of one request. `command_id` is the command's id in the ledger, if it is kept there.
    `repeated`: an earlier run of the same command may have taken effect, so it looks before it writes.
    `language` is the customer's own, if it is known; of an anonymous caller, what the request prefers.
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
    command_id: UUID | None = None
    repeated: bool = False
    language: Language | None = None

    def account_id_or_refuse(self) -> UUID:
        """Return the account of the session.

        Raises:
            NotAllowed: staff have no account of their own.
        """
        if self.account_id is None:
            raise NotAllowed(say("problems.customer_session_required"), code="customer_session_required")
        return self.account_id


class Done(Struct, frozen=True):
    """The result of a command that succeeded.

    `submission` must settle before the effect shows in queries; `shows` says whether it has by now. `outcome` is how a
    command without a submission ended. The rest is for the audit log: the target, and the user and account concerned
    when they are not the caller's.
    """

    result: Any
    submission: int | None = None
    shows: bool = True
    outcome: Literal["shown", "unchanged"] = "unchanged"
    target: str = ""
    user_id: UUID | None = None
    account_id: UUID | None = None


Upstream = Literal["salesforce", "whmcs", "freebit", "whm"]
Away = Literal["refuse", "queue"]
"""What happens to a command while an upstream that it needs is away."""
Need = Literal["nothing", "order", "invoice", "service", "payment_method"]
"""What an account must have for a command to make sense: it may order, has an open invoice, an active service, or a
payment method on file."""
Handler = Callable[[Context, Actor, Any], Awaitable[Done]]


class Command(Struct, frozen=True):
    """A command of a customer or visitor, declared in the module of its handler.

    Attributes:
        writes: the upstreams that it writes to.
        away: what happens while one of its upstreams is away: refused, or kept and run when it is back. Never `queue`
            for what moves money.
        reads: upstreams that it reads live and cannot do without.
        needs: what the account must have, for its capabilities; the handler decides by itself.
        queued_write: of a command that is queued, the write that is shown until then.
        idempotency_key: whether the caller must send one, or may.
        replayable: whether the first answer may be kept and given again; false when it holds a secret.
        changes: whether it changes anything, and is therefore recorded in the audit log.
        audits_itself: the handler records its own outcome, because it alone knows which user it concerns.
        awaited: whether its answer waits, for a moment, until its effect shows.

    A command that changes something and may be replayed is *tracked*: it is kept in the ledger even without a key, and
    the event stream of its account says how it ended.
    """

    handle: Handler
    writes: tuple[Upstream, ...]
    away: Away
    reads: tuple[Upstream, ...] = ()
    needs: Need = "nothing"
    queued_write: Callable[[Actor, Any], Pending] | None = None
    idempotency_key: Literal["required", "accepted"] = "accepted"
    replayable: bool = True
    changes: bool = True
    audits_itself: bool = False
    awaited: bool = True

    def __post_init__(self) -> None:
        """Refuse declarations that contradict themselves.

        Raises:
            ValueError: names the contradiction.
        """
        if (self.away == "queue") != (self.queued_write is not None):
            raise ValueError(f"{self.name}: what is queued, and nothing else, declares the write that is shown.")
        if self.away == "queue" and not (self.tracked and self.writes):
            raise ValueError(f"{self.name}: only a tracked command that writes to an upstream can be queued.")

    @property
    def upstreams(self) -> tuple[Upstream, ...]:
        """The upstreams that it needs."""
        return tuple(dict.fromkeys((*self.writes, *self.reads)))

    @property
    def tracked(self) -> bool:
        """True if its outcome is told to every page of the customer."""
        return self.changes and self.replayable

    @property
    def name(self) -> str:
        """The name in the ledger and the audit log: the handler's own. Renaming a handler breaks both."""
        return self.handle.__name__


class StaffCommand(Struct, frozen=True):
    """A command of a member of staff or an operator. Its handler records it in the audit log, with the change itself
    where there is a transaction.

    Attributes:
        action: the name in the audit log.
        writes: the upstreams that it writes to.
        away: what happens while one of them is away. Staff are told at once, so it is refused.
    """

    handle: Callable[..., Awaitable[Any]]
    action: str
    writes: tuple[Upstream, ...]
    away: Literal["refuse"]
