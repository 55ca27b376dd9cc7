"""The timeline of an account in four areas, and which notifications were read."""

from alembic import op

from migrations import statements

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BACK = """
DO $$
DECLARE
    one record;
BEGIN
    DROP VIEW read_model.timeline;
    FOR one IN SELECT slice, generation, state FROM read_model.generations WHERE starts_with(slice, 'timeline_') LOOP
        IF one.state = 'serving' THEN
            EXECUTE format('DROP VIEW read_model.%I', one.slice);
        END IF;
    END LOOP;
    FOR one IN SELECT slice, generation FROM read_model.generations WHERE starts_with(slice, 'timeline_') LOOP
        EXECUTE format('DROP TABLE generations.%I', one.slice || '_' || one.generation);
    END LOOP;
    DELETE FROM read_model.generations WHERE starts_with(slice, 'timeline_');
END $$
"""


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP TABLE portal.notification_reads")
    op.execute(BACK)
