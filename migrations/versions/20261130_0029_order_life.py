"""Every state of a record is a stage of its own; which approval of an order a fulfilment follows."""

from alembic import op

from migrations import statements

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

VERSIONS = {"orders": 3, "timeline_orders": 2}


def upgrade() -> None:
    statements.run(__file__)


NO_INDEXES = """
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT indexname FROM pg_indexes WHERE schemaname = 'generations' AND indexdef LIKE '%Reactivate%' LOOP
        EXECUTE format('DROP INDEX generations.%I', one.indexname);
    END LOOP;
END $$
"""


def downgrade() -> None:
    op.execute(NO_INDEXES)
    op.execute("ALTER TABLE mirror.records DROP COLUMN stage_count")
    op.execute("ALTER TABLE portal.fulfilments DROP COLUMN approval")
    for column in ("approval", "approved_despite"):
        op.execute(f"COMMENT ON COLUMN read_model.orders.{column} IS NULL")
    op.execute("SELECT generations.retype('orders', 'DROP COLUMN approval, DROP COLUMN approved_despite')")
    for slice_name, version in VERSIONS.items():
        op.execute(f"UPDATE read_model.generations SET projector_version = {version} WHERE slice = '{slice_name}'")
