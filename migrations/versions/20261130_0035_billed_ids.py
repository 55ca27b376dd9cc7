"""The history of bills keeps what an invoice bills; the services among it are told apart when it is read."""

from alembic import op

from migrations import statements

revision = "0035"
down_revision = "0033"
branch_labels = None
depends_on = None

VERSIONS = {"timeline_invoices": 2}


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    for slice_name, version in VERSIONS.items():
        op.execute(f"UPDATE read_model.generations SET projector_version = {version} WHERE slice = '{slice_name}'")
    op.execute(
        "COMMENT ON COLUMN read_model.invoices.subscription_ids IS 'The services that the invoice bills, ids with a "
        "blank between them: use string_to_array(subscription_ids, '' '').'"
    )
