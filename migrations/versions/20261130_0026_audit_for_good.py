"""Nobody empties the audit log or lifts its guard by a setting; an erasure forgets addresses through one function."""

from alembic import op

from migrations import statements

revision = "0026"
down_revision = "0024"
branch_labels = None
depends_on = None

FORMER = """
CREATE OR REPLACE FUNCTION portal.refuse_to_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('portal.erasing', true) = 'on' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    RAISE EXCEPTION 'portal.audit is append-only';
END $$
"""


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP TRIGGER never_emptied ON portal.audit")
    op.execute("DROP FUNCTION portal.forget_addresses(uuid, uuid, text, text)")
    op.execute(FORMER)
