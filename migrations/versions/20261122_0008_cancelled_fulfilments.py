"""Staff may cancel a fulfilment."""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SQL = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    for statement in SQL.read_text().split(";\n\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX portal.fulfilments_open")
    op.execute("UPDATE portal.fulfilments SET state = 'failed' WHERE state = 'cancelled'")
    op.execute("ALTER TABLE portal.fulfilments DROP CONSTRAINT fulfilments_state_check")
    op.execute(
        "ALTER TABLE portal.fulfilments ADD CONSTRAINT fulfilments_state_check "
        "CHECK (state IN ('running', 'paused', 'done', 'failed'))"
    )
