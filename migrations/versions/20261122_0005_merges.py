"""An index of the owners that are gone upstream, so that merges are found cheaply."""

from alembic import op

from migrations import statements

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP INDEX mirror.records_gone_owners")
