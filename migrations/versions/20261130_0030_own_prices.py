"""WHMCS's own prices, and the price that a change of plan was agreed at."""

from pathlib import Path

from alembic import op

from migrations import statements

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

FORMER_VIEW = "20261129_0018_reads_apart.sql", "CREATE VIEW read_model.parked AS"


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("ALTER TABLE portal.scheduled_changes DROP COLUMN currency, DROP COLUMN billing_cycle")
    op.execute(
        "ALTER TABLE portal.plan_changes DROP COLUMN agreed_amount, DROP COLUMN currency, DROP COLUMN billing_cycle"
    )
    file, beginning = FORMER_VIEW
    former = (Path(__file__).parent / file).read_text()
    op.execute(former[former.index(beginning) :].split(";\n\n")[0].replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
    op.execute(
        """
        DO $$
        DECLARE
            one record;
        BEGIN
            DROP VIEW read_model.profiles;
            FOR one IN SELECT g.generation, g.state FROM read_model.generations g WHERE g.slice = 'profiles' LOOP
                EXECUTE format('ALTER TABLE generations.%I DROP COLUMN tax_exempt', 'profiles_' || one.generation);
                IF one.state = 'serving' THEN
                    EXECUTE format(
                        'CREATE VIEW read_model.profiles AS SELECT * FROM generations.%I', 'profiles_' || one.generation
                    );
                END IF;
            END LOOP;
            UPDATE read_model.generations SET projector_version = 1 WHERE slice = 'profiles';
        END $$
        """
    )
    op.execute("COMMENT ON VIEW read_model.profiles IS 'WHMCS client profile and billing address.'")
    op.execute("DROP VIEW read_model.prices")
    op.execute(
        "DO $$ DECLARE one record; BEGIN FOR one IN SELECT generation FROM read_model.generations "
        "WHERE slice = 'prices' LOOP EXECUTE format('DROP TABLE generations.%I', 'prices_' || one.generation); "
        "END LOOP; END $$"
    )
    op.execute("DELETE FROM read_model.documents WHERE slice = 'prices'")
    op.execute("DELETE FROM read_model.generations WHERE slice = 'prices'")
