"""Clients whom staff merged although both have a portal account."""

from alembic import op

from migrations import statements

revision = "0041"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP TABLE ingest.client_merges")
