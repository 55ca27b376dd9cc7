"""Erasures of personal data, and whose records are taken in without it from now on."""

from alembic import op

from migrations import statements

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP TABLE portal.erased_owners")
    op.execute("DROP TABLE portal.erasures")
