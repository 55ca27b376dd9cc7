"""The first tables of all four schemas: portal, ingest, mirror, read_model."""

from alembic import op

from migrations import statements

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__, end=";\n")


def downgrade() -> None:
    for schema in ("read_model", "mirror", "ingest", "portal"):
        op.execute(f"DROP SCHEMA {schema} CASCADE")
