"""Rights of the processes' own database role, if it differs from the one that migrates.

It reads and writes everything, creates and drops generations of read models, and appends to the audit log. It cannot
change, delete or truncate audit entries, nor drop the triggers that prevent it: those belong to the owner. Nor can it
set the time or number of an entry, or restart the numbers, which would prevent further entries.
"""

import asyncio

import asyncpg

SCHEMAS = ("portal", "ingest", "mirror", "read_model", "generations")
AUDITED = "action, outcome, user_id, account_id, target, request_id, address, detail"
"""What an entry of the audit log is made of, but for its number and time."""
_ITS_OWN = """
SELECT c.oid::regclass::text AS name, c.relkind = 'v' AS is_view
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (n.nspname = 'generations' AND c.relkind = 'r') OR (n.nspname = 'read_model' AND c.relkind = 'v')
"""
"""The tables and views that a rebuild creates, replaces and drops."""


def grant(database_url: str, role: str) -> None:
    """Grant an existing role its rights; repeat after each migration.

    The connecting role must be a member of it, or a superuser.
    """
    asyncio.run(_grant(database_url, role))


async def _grant(database_url: str, role: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            name = await connection.fetchval("SELECT quote_ident($1)", role)
            for statement in _statements(name):
                await connection.execute(statement)
            for row in await connection.fetch(_ITS_OWN):
                kind = "VIEW" if row["is_view"] else "TABLE"
                await connection.execute(f"ALTER {kind} {row['name']} OWNER TO {name}")
    finally:
        await connection.close()


def _statements(role: str) -> tuple[str, ...]:
    schemas = ", ".join(SCHEMAS)
    return (
        f"GRANT USAGE ON SCHEMA {schemas} TO {role}",
        f"GRANT CREATE ON SCHEMA generations, read_model TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schemas} TO {role}",
        f"REVOKE UPDATE ON ALL SEQUENCES IN SCHEMA {schemas} FROM {role}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schemas} TO {role}",
        f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schemas} TO {role}",
        f"GRANT SELECT ON portal_migrations TO {role}",
        f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER ON portal.audit FROM {role}",
        f"GRANT INSERT ({AUDITED}) ON portal.audit TO {role}",
    )
