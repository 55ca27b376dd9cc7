"""Two database roles: the owner migrates, the processes' own does everything else and cannot touch what is audited."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from app.cli import migrate, runtime_role
from app.db import open_pool
from app.projections.engine import generations
from app.projections.registry import projectors
from app.settings import Settings
from tests.fixtures.changes import INVOICE, change
from tests.http.conftest import PASSWORD, add_customer, password_hash, served
from tests.projections.conftest import feed

__all__ = ["add_customer", "feed", "password_hash"]

OWNER, RUNTIME = "audit_owner", "audit_runtime"


class Roles(NamedTuple):
    """One database, as each of both reaches it."""

    owner: str
    runtime: str


def of(url: str, role: str) -> str:
    """Return the URL of the test's database for a role."""
    _, _, rest = url.partition("://")
    return f"postgresql://{role}:secret@{rest.rpartition('@')[2].rpartition('/')[0]}/audit_test"


@pytest.fixture(scope="session")
async def roles(engines: tuple[str, str]) -> AsyncIterator[Roles]:
    """A database of an owner who is no superuser, migrated for a second role."""
    admin = await asyncpg.connect(engines[0])
    for statement in (
        "DROP DATABASE IF EXISTS audit_test",
        f"DROP ROLE IF EXISTS {OWNER}",
        f"DROP ROLE IF EXISTS {RUNTIME}",
        f"CREATE ROLE {RUNTIME} LOGIN PASSWORD 'secret'",
        f"CREATE ROLE {OWNER} LOGIN PASSWORD 'secret' IN ROLE {RUNTIME}",
        f"CREATE DATABASE audit_test OWNER {OWNER}",
    ):
        await admin.execute(statement)
    found = Roles(of(engines[0], OWNER), of(engines[0], RUNTIME))
    await asyncio.to_thread(migrate.up, found.owner)
    for _ in range(2):  # each migration is followed by it
        await asyncio.to_thread(runtime_role.grant, found.owner, RUNTIME)
    yield found
    await admin.execute("DROP DATABASE audit_test WITH (FORCE)")
    await admin.execute(f"DROP ROLE {OWNER}")
    await admin.execute(f"DROP ROLE {RUNTIME}")
    await admin.close()


@pytest.fixture
async def pool(roles: Roles) -> AsyncIterator[asyncpg.Pool]:
    """Of the runtime role."""
    found = await open_pool(roles.runtime)
    yield found
    await found.close()


REFUSED = [
    "UPDATE portal.audit SET outcome = 'ok'",
    "UPDATE portal.audit SET address = NULL",
    "DELETE FROM portal.audit",
    "TRUNCATE portal.audit",
    "TRUNCATE portal.mails, portal.audit",
    "TRUNCATE portal.users CASCADE",
    "ALTER TABLE portal.audit DISABLE TRIGGER ALL",
    "ALTER TABLE portal.audit DISABLE TRIGGER append_only",
    "DROP TRIGGER append_only ON portal.audit",
    "DROP TRIGGER never_emptied ON portal.audit",
    "DROP TABLE portal.audit",
    "DROP SCHEMA portal CASCADE",
    "ALTER TABLE portal.audit OWNER TO audit_runtime",
    "ALTER TABLE portal.audit RENAME TO was",
    "ALTER TABLE portal.audit DROP COLUMN outcome",
    "CREATE RULE forget AS ON INSERT TO portal.audit DO INSTEAD NOTHING",
    "CREATE TRIGGER swallow BEFORE INSERT ON portal.audit FOR EACH ROW EXECUTE FUNCTION read_model.tell_swap()",
    "CREATE OR REPLACE FUNCTION portal.refuse_to_rewrite() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN OLD; END $$",
    "DROP FUNCTION portal.refuse_to_rewrite() CASCADE",
    "SET session_replication_role = replica",
    "SET ROLE audit_owner",
    "SET SESSION AUTHORIZATION audit_owner",
    "GRANT UPDATE ON portal.audit TO audit_runtime",
    "GRANT audit_owner TO audit_runtime",
    "CREATE TABLE portal.another (LIKE portal.audit)",
]


async def attack(connection: Any, statement: str) -> None:
    """Run a statement as the role, and then the change it would permit."""
    await connection.execute(statement)
    await connection.execute("UPDATE portal.audit SET outcome = 'ok'")


@pytest.mark.parametrize("statement", REFUSED)
async def test_the_role_of_the_processes_cannot_rewrite_what_is_audited(pool: asyncpg.Pool, statement: str) -> None:
    mark = str(uuid4())
    await pool.execute(
        "INSERT INTO portal.audit (action, outcome, target, address) VALUES ('log_in', 'no', $1, '192.0.2.1')", mark
    )
    async with pool.acquire() as connection:
        for before in ("SELECT 1", "SET portal.erasing = 'on'"):
            await connection.execute(before)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await attack(connection, statement)
    row = await pool.fetchrow("SELECT outcome, address FROM portal.audit WHERE target = $1", mark)
    assert tuple(row) == ("no", "192.0.2.1")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO portal.audit (action, outcome, at) VALUES ('log_in', 'ok', now() - interval '1 year')",
        "INSERT INTO portal.audit (action, outcome, id) VALUES ('log_in', 'ok', 1)",
        "INSERT INTO portal.audit (action, outcome, id) VALUES ('log_in', 'ok', 9223372036854775807)",
        "SELECT setval('portal.audit_id_seq', 1)",
        "SELECT setval('portal.audit_id_seq', 9223372036854775807)",
        "ALTER SEQUENCE portal.audit_id_seq RESTART",
        "ALTER SEQUENCE portal.audit_id_seq MAXVALUE 10000000",
    ],
)
async def test_nor_say_when_something_was_or_keep_anything_from_being_audited(
    pool: asyncpg.Pool, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement)
    await pool.execute("INSERT INTO portal.audit (action, outcome) VALUES ('log_in', 'no')")


async def test_the_owner_meets_the_triggers(roles: Roles) -> None:
    owner = await asyncpg.connect(roles.owner)
    await owner.execute("INSERT INTO portal.audit (action, outcome) VALUES ('log_in', 'no')")
    for statement in ("UPDATE portal.audit SET outcome = 'ok'", "DELETE FROM portal.audit", "TRUNCATE portal.audit"):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await owner.execute(statement)
    await owner.close()


async def test_an_erasure_forgets_addresses_of_one_customer_and_nothing_else(pool: asyncpg.Pool) -> None:
    user, account, other = uuid4(), uuid4(), uuid4()
    for who, whose in ((user, None), (None, account), (other, None)):
        await pool.execute(
            "INSERT INTO portal.audit (action, outcome, user_id, account_id, address) "
            "VALUES ('log_in', 'no', $1, $2, '192.0.2.1')",
            who,
            whose,
        )
    await pool.execute("SELECT portal.forget_addresses($1, $2, 'C-1', '7')", user, account)
    rows = await pool.fetch(
        "SELECT coalesce(user_id, account_id) AS whose, address, outcome FROM portal.audit "
        "WHERE coalesce(user_id, account_id) = ANY($1)",
        [user, account, other],
    )
    assert {row["whose"]: row["address"] for row in rows} == {user: None, account: None, other: "192.0.2.1"}
    assert {row["outcome"] for row in rows} == {"no"}


async def test_the_portal_does_all_its_work_as_that_role(
    roles: Roles, pool: asyncpg.Pool, redis: Redis, settings: Settings, add_customer: Any, feed: Any
) -> None:
    account = await add_customer("hana")
    await feed([change("whmcs", "invoice", "7", INVOICE, owner_id="client-hana")])
    await pool.execute("INSERT INTO read_model.freshness VALUES ($1, 'client_invoices', now())", account)
    async with served(msgspec.structs.replace(settings, database_url=roles.runtime)) as (_, api):
        answer = await api.post("/api/auth/login", json={"email": "hana@example.jp", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
        for _ in range(2):
            items = (await api.get("/api/invoices", headers=bearer)).json()["items"]
            assert [each["invoice_id"] for each in items] == ["7"]
        assert (await api.post("/api/auth/logout", headers=bearer)).status_code == 204
        assert (await api.get("/api/invoices", headers=bearer)).status_code == 401
    assert [row["action"] for row in await pool.fetch("SELECT action FROM portal.audit ORDER BY id DESC LIMIT 2")] == [
        "log_out",
        "log_in",
    ]


async def test_a_rebuild_works_as_that_role_before_and_after_the_next_migration(
    roles: Roles, pool: asyncpg.Pool, settings: Settings
) -> None:
    projector = next(each for each in projectors(settings) if each.name == "invoices")
    for _ in range(2):
        made = await generations.begin(pool, projector)
        await generations.serve(pool, projector, made.generation)
        await generations.drop(pool, projector, made.generation - 1)
        await asyncio.to_thread(migrate.up, roles.owner)
        await asyncio.to_thread(runtime_role.grant, roles.owner, RUNTIME)
