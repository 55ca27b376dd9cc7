"""Dunning: from an unpaid invoice to suspension and back, what was told of it, and holds by staff."""

from alembic import op

from migrations import statements

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    for table in ("suspension_permits", "dunning_suspensions", "dunning_steps", "dunning_holds", "dunning"):
        op.execute(f"DROP TABLE portal.{table}")
