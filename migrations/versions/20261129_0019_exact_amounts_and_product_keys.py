"""Amounts with as many decimals as their currency has; which services are of a product by its number in WHMCS."""

from alembic import op

from migrations import statements

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

VERSIONS = {"eligibility": 1, "catalog": 2, "orders": 2, "timeline_orders": 1, "invoices": 2, "subscriptions": 3}
AMOUNTS = {
    "catalog": ("unit_price",),
    "orders": ("total_amount",),
    "invoices": ("subtotal", "tax", "credit", "total", "balance", "paid", "refunded"),
    "subscriptions": ("amount",),
}


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    """Amounts are rounded to hundredths again."""
    op.execute("DROP INDEX mirror.records_product_key")
    op.execute("DROP INDEX mirror.records_service_product")
    op.execute("ALTER TABLE portal.captures ALTER COLUMN amount TYPE numeric(18, 2)")
    for slice_name, columns in AMOUNTS.items():
        change = ", ".join(f"ALTER COLUMN {column} TYPE numeric(18, 2)" for column in columns)
        op.execute(f"SELECT generations.retype('{slice_name}', '{change}')")
    op.execute("DROP FUNCTION generations.retype")
    for slice_name, version in VERSIONS.items():
        op.execute(f"UPDATE read_model.generations SET projector_version = {version} WHERE slice = '{slice_name}'")
