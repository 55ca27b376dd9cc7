"""Second factors, password resets, mail to send, and an audit log that refuses to be rewritten."""

from alembic import op

from migrations import statements

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP INDEX portal.audit_account")
    op.execute("DROP TRIGGER append_only ON portal.audit")
    op.execute("DROP FUNCTION portal.refuse_to_rewrite")
    for table in ("mails", "password_resets", "recovery_codes", "totp"):
        op.execute(f"DROP TABLE portal.{table}")
    op.execute("DROP INDEX portal.sessions_created")
    op.execute("ALTER TABLE portal.id_mappings DROP COLUMN told_at, DROP COLUMN sign_in_told_at")
    op.execute("ALTER TABLE portal.sessions DROP COLUMN mfa")
    op.execute("ALTER TABLE portal.users DROP COLUMN password_changed_at")
