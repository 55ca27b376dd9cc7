"""Why a breaker is open, and how often it changed."""

from alembic import op

from migrations import statements

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("ALTER TABLE read_model.upstreams DROP COLUMN reason, DROP COLUMN version")
