"""Outages as they were measured, and commands that wait for an upstream to come back."""

from alembic import op

from migrations import statements

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

_NARROW = "ALTER TABLE {0} DROP CONSTRAINT {1}, ADD CONSTRAINT {1} CHECK (state IN ({2}))"


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP TABLE read_model.outages")
    op.execute("DROP TABLE portal.queued_commands")
    op.execute("DELETE FROM read_model.pending WHERE state = 'queued'")
    op.execute("DELETE FROM portal.commands WHERE state = 'queued'")
    op.execute(_NARROW.format("portal.commands", "commands_state_check", "'running', 'done', 'failed'"))
    op.execute(_NARROW.format("read_model.pending", "pending_state_check", "'pending', 'rejected', 'given_up'"))
