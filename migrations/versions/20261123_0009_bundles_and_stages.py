"""The catalog tells bundles and features, orders their promotion code: a new installation begins with both. What the
metrics of fulfilment look at."""

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SQL = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    for statement in SQL.read_text().split(";\n\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX portal.fulfilments_done, portal.fulfilment_pauses")
    op.execute("UPDATE read_model.generations SET projector_version = 1 WHERE slice IN ('catalog', 'orders')")
