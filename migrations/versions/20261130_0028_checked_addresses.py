"""Eligibility belongs to the address that was checked, which its document names."""

from alembic import op

from migrations import statements

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("UPDATE read_model.generations SET projector_version = 2 WHERE slice = 'eligibility'")
