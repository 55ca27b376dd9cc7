"""The timeline of an account in four areas, and which notifications were read."""

from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SQL = Path(__file__).with_suffix(".sql")
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
    for statement in SQL.read_text().split(";\n\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE portal.notification_reads")
    op.execute(BACK)
