"""Fan-outs in the background, which accounts have a parked change, and indexes that cannot be mistaken for the key.

An index that begins like the primary key is chosen in its place by a plan made while the table was empty, and reads all
records of an object instead of one."""

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
    op.execute("DROP INDEX mirror.records_owner")
    op.execute("DROP INDEX mirror.records_parent")
    op.execute("CREATE INDEX records_owner ON mirror.records (source, owner_id, object)")
    op.execute(
        "CREATE INDEX records_parent ON mirror.records (source, parent_id, object) WHERE parent_id IS NOT NULL"
    )
    op.execute("CREATE INDEX records_object ON mirror.records (source, object)")
    op.execute("DROP VIEW read_model.parked")
    op.execute("DROP TABLE ingest.fanouts")
