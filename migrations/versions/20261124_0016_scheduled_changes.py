"""Changes of plan for a day to come; a mail may say what it is about."""

from alembic import op

from migrations import statements

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("UPDATE read_model.generations SET projector_version = 2 WHERE slice = 'subscriptions'")
    op.execute("UPDATE read_model.generations SET projector_version = 1 WHERE slice = 'timeline_subscriptions'")
    op.execute("DELETE FROM portal.mails WHERE about IS NOT NULL AND finished_at IS NULL")
    op.execute("ALTER TABLE portal.mails DROP COLUMN about")
    op.execute("DROP TABLE portal.scheduled_changes")
