"""Cancellations in the subscriptions read model; changes of plan that customers asked for."""

from alembic import op

from migrations import statements

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("UPDATE read_model.generations SET projector_version = 1 WHERE slice = 'subscriptions'")
    op.execute("DROP TABLE portal.plan_changes")
    op.execute("DROP INDEX mirror.records_upgrade_invoice")
    op.execute("DROP VIEW read_model.subscriptions CASCADE")
    op.execute(
        "DO $$ DECLARE one record; BEGIN "
        "FOR one IN SELECT g.generation, g.state FROM read_model.generations g WHERE g.slice = 'subscriptions' LOOP "
        "EXECUTE format('ALTER TABLE generations.%I DROP COLUMN cancellation, DROP COLUMN cancellation_requested_on, "
        "DROP COLUMN ends_on', 'subscriptions_' || one.generation); "
        "IF one.state = 'serving' THEN EXECUTE format('CREATE VIEW read_model.subscriptions AS SELECT * FROM "
        "generations.%I', 'subscriptions_' || one.generation); END IF; END LOOP; END $$"
    )
