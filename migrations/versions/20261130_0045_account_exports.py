"""Customers' own exports of their personal data."""

from alembic import op

from migrations import statements

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP TABLE portal.account_exports")
