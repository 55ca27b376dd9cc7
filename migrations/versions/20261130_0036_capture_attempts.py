"""Every attempt to charge an invoice, with what came of it and why it was declined."""

from alembic import op

from migrations import statements

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP TABLE portal.capture_attempts")
