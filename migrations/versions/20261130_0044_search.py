"""Lists are searched; a subscription names its SKU and its order."""

from alembic import op

from migrations import statements

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

COLUMNS = {"orders": ("search",), "invoices": ("search",), "subscriptions": ("search", "sku", "order_id")}
VERSIONS = {"orders": 5, "subscriptions": 8, "invoices": 5}


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP INDEX mirror.records_order_key")
    op.execute("DROP INDEX mirror.records_service_order")
    for name, columns in COLUMNS.items():
        for column in columns:
            op.execute(f"COMMENT ON COLUMN read_model.{name}.{column} IS NULL")
        dropped = ", ".join(f"DROP COLUMN {column}" for column in columns)
        op.execute(f"SELECT generations.retype('{name}', '{dropped}')")
    for name, version in VERSIONS.items():
        op.execute(f"UPDATE read_model.generations SET projector_version = {version} WHERE slice = '{name}'")
