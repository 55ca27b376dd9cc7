"""The catalog tells bundles and features, orders their promotion code: a new installation begins with both. What the
metrics of fulfilment look at."""

from alembic import op

from migrations import statements

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP INDEX portal.fulfilments_done, portal.fulfilment_pauses")
    op.execute("UPDATE read_model.generations SET projector_version = 1 WHERE slice IN ('catalog', 'orders')")
