"""Notices that are kept, progress of long operations, drift, canaries, states of feeds, pending things."""

from alembic import op

from migrations import statements

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DOWN = (
    "DROP TABLE read_model.pending",
    "ALTER TABLE read_model.feeds DROP COLUMN state, DROP COLUMN last_event_at, DROP COLUMN leader, DROP COLUMN error",
    "DROP TABLE ingest.canaries",
    "DROP TABLE ingest.drift",
    "DROP TABLE ingest.progress",
    "DELETE FROM ingest.notices WHERE told_at IS NOT NULL",
    "DROP INDEX ingest.notices_account",
    "ALTER TABLE ingest.notices DROP COLUMN told_at",
)


def upgrade() -> None:
    statements.run(__file__, end=";\n")


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
