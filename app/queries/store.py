"""What queries read from, and what they answer with."""

import hashlib
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from app.errors import NotReady
from app.readmodels.freshness import BOUND_SECONDS


class Store(Struct, frozen=True):
    """The engines of the read side. Nothing here can reach an upstream."""

    pool: asyncpg.Pool
    redis: Redis
    catalog_feed: str
    """Name of the change feed that event-driven answers are as fresh as."""


class Verify(Struct, frozen=True):
    """A wish to have a WHMCS record or list read again, because an answer drawn from it is past its bound."""

    resource: str
    record_id: str
    as_of: datetime


class Answer(Struct, frozen=True):
    """A ready answer.

    Attributes:
        body: JSON, complete.
        etag: strong validator over content and projector version.
        as_of: when the data was last known to equal its source.
        stale: whether that is longer ago than the resource's bound.
        verify: what a worker should read again because of it.
    """

    body: bytes
    etag: str
    as_of: datetime
    stale: bool = False
    verify: tuple[Verify, ...] = ()


def etag_of(*parts: bytes | str | int) -> str:
    """A validator over everything an answer depends on."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part if isinstance(part, bytes) else str(part).encode())
        digest.update(b"\0")
    return f'"{digest.hexdigest()}"'


def with_age(document: bytes, as_of: datetime, stale: bool) -> bytes:
    """A JSON object with `as_of` and `stale` added at its end."""
    age = msgspec.json.encode({"as_of": as_of, "stale": stale})
    return document[:-1] + (b"," if len(document) > 2 else b"") + age[1:]


def past_bound(resource: str, as_of: datetime) -> bool:
    """Whether data of a resource is older than it may grow unverified."""
    return (datetime.now(UTC) - as_of).total_seconds() > BOUND_SECONDS[resource]


async def client_of(store: Store, account_id: UUID) -> str:
    """The WHMCS client id of an account."""
    found = await store.pool.fetchval(
        "SELECT whmcs_client_id FROM portal.id_mappings WHERE account_id = $1", account_id
    )
    if found is None:
        raise NotReady
    return str(found)


async def verified_at(store: Store, account_id: UUID, resource: str) -> datetime:
    """When a whole WHMCS list of the account was last read.

    Raises:
        NotReady: never yet, so an empty list would be a lie.
    """
    at = await store.pool.fetchval(
        "SELECT verified_at FROM read_model.freshness WHERE account_id = $1 AND resource = $2", account_id, resource
    )
    if at is None:
        raise NotReady
    return at  # type: ignore[no-any-return]


async def feed_as_of(store: Store) -> datetime:
    """When the change feed last answered, keepalives counted.

    Raises:
        NotReady: it never did.
    """
    at = await store.pool.fetchval("SELECT as_of FROM read_model.feeds WHERE feed = $1", store.catalog_feed)
    if at is None:
        raise NotReady
    return at  # type: ignore[no-any-return]
