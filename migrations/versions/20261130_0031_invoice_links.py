"""The services that an invoice bills, the default payment method, and whom invoices are addressed to."""

from alembic import op

from migrations import statements

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

VERSIONS = {"invoices": 3, "timeline_invoices": 1, "payment_methods": 1, "profiles": 1}
ADDED = {"invoices": "subscription_ids", "payment_methods": "is_default", "profiles": "billing_contact_id"}


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    for slice_name, column in ADDED.items():
        op.execute(f"COMMENT ON COLUMN read_model.{slice_name}.{column} IS NULL")
        op.execute(f"SELECT generations.retype('{slice_name}', 'DROP COLUMN {column}')")
    op.execute("DELETE FROM mirror.records WHERE source = 'whmcs' AND object = 'invoice_upgrade'")
    for slice_name, version in VERSIONS.items():
        op.execute(f"UPDATE read_model.generations SET projector_version = {version} WHERE slice = '{slice_name}'")
