"""An account with an unpaid invoice and the service that it bills, and a portal that charges and suspends."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from msgspec import structs

from app.commands.execution.context import Context
from app.events import Change
from app.resources import Resources
from tests.fixtures.changes import CLIENT, INVOICE, SERVICE, change
from tests.projections.conftest import account, feed

__all__ = ["account", "feed"]

Feed = Callable[[Sequence[Change]], Awaitable[None]]


@pytest.fixture
def ours(resources: Resources) -> Context:
    """A portal that charges due invoices and suspends unpaid services."""
    return by_setting(resources, captures="portal", suspension="portal")


def by_setting(resources: Resources, **automators: Any) -> Context:
    """Return a portal with these automators."""
    named = {f"automate_{task}": automator for task, automator in automators.items()}
    return structs.replace(resources, settings=structs.replace(resources.settings, **named)).context


@pytest.fixture
async def billed(pool: asyncpg.Pool, account: UUID, feed: Feed) -> UUID:
    """The account of invoice 77, which bills service 55."""
    await feed(
        [
            change("whmcs", "client", "1001", {**CLIENT, "country": "JP"}, owner_id="1001"),
            change("whmcs", "service", "55", SERVICE, owner_id="1001"),
            change("whmcs", "invoice", "77", INVOICE, owner_id="1001"),
        ]
    )
    return account
