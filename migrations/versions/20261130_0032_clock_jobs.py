"""Clock jobs, their runs, the emergency stop of those that move money, and who automates what in billing."""

from alembic import op

from migrations import statements

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    for table in ("billing_tasks", "money_stops", "clock_runs", "clock_jobs"):
        op.execute(f"DROP TABLE portal.{table}")
