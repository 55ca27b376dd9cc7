"""Charges that were sent to WHMCS, so that none is sent twice."""

from alembic import op

from migrations import statements

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP TABLE portal.captures")
