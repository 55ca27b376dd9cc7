"""Invoices say what was paid and refunded, and which of them only collect others."""

from alembic import op

from migrations import statements

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS = ("collective", "paid", "refunded")


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    drops = ", ".join(f"DROP COLUMN {name}" for name in COLUMNS)
    op.execute(
        f"""
        DO $$
        DECLARE
            one record;
        BEGIN
            DROP VIEW read_model.invoices;
            FOR one IN SELECT g.generation, g.state FROM read_model.generations g WHERE g.slice = 'invoices' LOOP
                EXECUTE format('ALTER TABLE generations.%I {drops}', 'invoices_' || one.generation);
                IF one.state = 'serving' THEN
                    EXECUTE format(
                        'CREATE VIEW read_model.invoices AS SELECT * FROM generations.%I', 'invoices_' || one.generation
                    );
                END IF;
            END LOOP;
            UPDATE read_model.generations SET projector_version = 1 WHERE slice = 'invoices';
        END $$
        """
    )
    op.execute("COMMENT ON VIEW read_model.invoices IS 'WHMCS invoices with lines and payments.'")
