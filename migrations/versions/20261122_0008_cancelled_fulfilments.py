"""Staff may cancel a fulfilment."""

from alembic import op

from migrations import statements

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP INDEX portal.fulfilments_open")
    op.execute("UPDATE portal.fulfilments SET state = 'failed' WHERE state = 'cancelled'")
    op.execute("ALTER TABLE portal.fulfilments DROP CONSTRAINT fulfilments_state_check")
    op.execute(
        "ALTER TABLE portal.fulfilments ADD CONSTRAINT fulfilments_state_check "
        "CHECK (state IN ('running', 'paused', 'done', 'failed'))"
    )
