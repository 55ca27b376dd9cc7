"""Sign-ups and links that wait for a proof, and codes that are printed in letters."""

from alembic import op

from migrations import statements

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP INDEX portal.mails_recipient")
    op.execute("DROP TABLE portal.invitations")
    op.execute("DROP TABLE portal.enrolments")
