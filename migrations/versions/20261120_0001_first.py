"""The first tables of all four schemas: portal, ingest, mirror, read_model."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    for statement in SQL.read_text().split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for schema in ("read_model", "mirror", "ingest", "portal"):
        op.execute(f"DROP SCHEMA {schema} CASCADE")
