"""Fan-outs in the background, and which accounts have a parked change."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SQL = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    for statement in SQL.read_text().split(";\n\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX ingest.inbox_settled")
    op.execute("DROP VIEW read_model.parked")
    op.execute("DROP TABLE ingest.fanouts")
