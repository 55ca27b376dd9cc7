"""Every slice becomes a view over its serving generation, so that a rebuild swaps tables without a pause."""

from alembic import op

from migrations import statements

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BACK = """
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT slice, generation FROM read_model.generations WHERE state = 'serving' LOOP
        EXECUTE format('DROP VIEW read_model.%I', one.slice);
        EXECUTE format('ALTER TABLE generations.%I RENAME TO %I', one.slice || '_' || one.generation, one.slice);
        EXECUTE format('ALTER TABLE generations.%I SET SCHEMA read_model', one.slice);
        DELETE FROM read_model.documents d WHERE d.slice = one.slice AND d.generation <> one.generation;
    END LOOP;
END $$
"""


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute(BACK)
    op.execute("DELETE FROM read_model.documents WHERE body = ''")
    op.execute("DROP INDEX read_model.documents_slice")
    op.execute(
        "ALTER TABLE read_model.documents DROP CONSTRAINT documents_pkey, DROP COLUMN slice, DROP COLUMN generation, "
        "DROP COLUMN item_id, ADD PRIMARY KEY (account_id, name)"
    )
    op.execute("DROP SCHEMA generations CASCADE")
    op.execute("DROP TABLE read_model.generations")
