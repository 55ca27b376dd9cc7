"""Orders show what was agreed in the customer's currency; services show no amount in an unknown one."""

from alembic import op

from migrations import statements

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

VERSIONS = {"orders": 4, "subscriptions": 6, "charges": 1}


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    for name, version in VERSIONS.items():
        op.execute(f"UPDATE read_model.generations SET projector_version = {version} WHERE slice = '{name}'")
    for column in ("currency", "billing_currency", "total_amount"):
        op.execute(f"COMMENT ON COLUMN read_model.orders.{column} IS NULL")
    op.execute("SELECT generations.retype('orders', 'DROP COLUMN billing_currency')")
