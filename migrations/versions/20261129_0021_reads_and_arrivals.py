"""When a mirrored record was read and heard of last; dead letters that a newer whole record resolved."""

from alembic import op

from migrations import statements

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("UPDATE ingest.dead_letters SET resolution = 'discarded' WHERE resolution = 'superseded'")
    op.execute("ALTER TABLE ingest.dead_letters DROP CONSTRAINT dead_letters_resolution_check")
    op.execute(
        "ALTER TABLE ingest.dead_letters ADD CONSTRAINT dead_letters_resolution_check "
        "CHECK (resolution IN ('retried', 'discarded'))"
    )
    op.execute("ALTER TABLE mirror.records DROP COLUMN read_at, DROP COLUMN heard_at, DROP COLUMN read_version")
