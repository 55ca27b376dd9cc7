"""Outages as they were measured, and commands that wait for an upstream to come back."""

from alembic import op

from migrations import statements

revision = "0043"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP TABLE read_model.outages")
