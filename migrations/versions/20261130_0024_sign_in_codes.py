"""Sign-in codes by mail, one open mail of a kind for a stranger's wish, domains in the reader's script."""

from alembic import op

from migrations import statements

revision = "0024"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP TABLE portal.sign_in_codes")
    op.execute("DROP INDEX portal.mails_wished_for, portal.mails_sent, portal.password_resets_user")
    op.execute("ALTER TABLE portal.password_resets DROP COLUMN used_from")
    op.execute(
        "UPDATE read_model.generations SET projector_version = 4 "
        "WHERE slice = 'subscriptions' AND projector_version = 5 AND NOT EXISTS (SELECT FROM mirror.records)"
    )
    op.execute(
        "UPDATE read_model.generations SET projector_version = 2 "
        "WHERE slice = 'timeline_subscriptions' AND projector_version = 3 AND NOT EXISTS (SELECT FROM mirror.records)"
    )
