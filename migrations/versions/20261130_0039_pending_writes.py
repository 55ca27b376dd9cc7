"""Writes of commands that no read model shows yet, and how commands end."""

from alembic import op

from migrations import statements

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DELETE FROM read_model.pending WHERE submission IS NULL OR document IS NULL OR state <> 'pending'")
    op.execute("DROP INDEX ingest.inbox_discarded")
    op.execute("DELETE FROM ingest.notices WHERE slice = 'commands'")
    op.execute("ALTER TABLE ingest.notices DROP COLUMN outcome")
    op.execute("ALTER TABLE read_model.pending DROP CONSTRAINT pending_pkey")
    op.execute(
        "DELETE FROM read_model.pending a USING read_model.pending b WHERE a.command_id < b.command_id "
        "AND (a.account_id, a.slice, a.item_id) = (b.account_id, b.slice, b.item_id)"
    )
    op.execute(
        "ALTER TABLE read_model.pending ADD PRIMARY KEY (account_id, slice, item_id), "
        "ALTER COLUMN submission SET NOT NULL, ALTER COLUMN summary SET NOT NULL, ALTER COLUMN document SET NOT NULL, "
        "DROP COLUMN command_id, DROP COLUMN command, DROP COLUMN state, DROP COLUMN value, DROP COLUMN recheck, "
        "DROP COLUMN applied, "
        "DROP COLUMN reason_code, DROP COLUMN reason, DROP COLUMN ended_at"
    )
    op.execute(
        "ALTER TABLE portal.commands DROP COLUMN account_version, DROP COLUMN attempts, DROP COLUMN error_code, "
        "DROP COLUMN error, DROP COLUMN retry_at, DROP COLUMN steps"
    )
