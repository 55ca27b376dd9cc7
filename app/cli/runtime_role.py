"""What the processes' own database role may do, where it is another than the one that migrates.

It reads and writes everything, makes and drops generations of read models, and adds to the audit log. It cannot change,
delete or empty what stands there, nor lift the triggers that refuse it: those are the owner's. Nor can it say when an
entry was made or which number it has, or have the numbers begin anew, so that there would be no further entry.
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
"""What a rebuild makes, replaces and drops."""


def grant(database_url: str, role: str) -> None:
    """Have a role that exists do its work; to be repeated after each migration. The one that connects must be a member
    of it, or a superuser."""
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
