"""Charges beside subscriptions: fees in instalments are no services either. One vocabulary of billing cycles."""

from alembic import op

from migrations import statements

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

VERSIONS = {"catalog": 3, "orders": 3, "subscriptions": 5, "timeline_orders": 2, "timeline_subscriptions": 3}
FORMER = {"subscriptions": "WHMCS services (client products)."}


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP VIEW read_model.charges")
    op.execute(
        "DO $$ DECLARE one record; BEGIN "
        "FOR one IN SELECT g.generation FROM read_model.generations g WHERE g.slice = 'charges' LOOP "
        "EXECUTE format('DROP TABLE generations.%I', 'charges_' || one.generation); END LOOP; END $$"
    )
    op.execute("DELETE FROM read_model.generations WHERE slice = 'charges'")
    op.execute("COMMENT ON COLUMN read_model.subscriptions.item_class IS NULL")
    op.execute("SELECT generations.retype('subscriptions', 'DROP COLUMN item_class')")
    for name, meaning in FORMER.items():
        op.execute(f"COMMENT ON VIEW read_model.{name} IS '{meaning}'")
    op.execute("COMMENT ON COLUMN read_model.subscriptions.billing_cycle IS NULL")
    op.execute("COMMENT ON COLUMN read_model.catalog.billing_cycle IS NULL")
    for name, version in VERSIONS.items():
        op.execute(f"UPDATE read_model.generations SET projector_version = {version} WHERE slice = '{name}'")
