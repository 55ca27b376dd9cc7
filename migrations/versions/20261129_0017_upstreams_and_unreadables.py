"""How each upstream is, for all processes; which upstream fields could not be read."""

from alembic import op

from migrations import statements

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP TABLE read_model.upstreams")
    op.execute("DROP TABLE ingest.unreadables")
