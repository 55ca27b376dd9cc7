"""What an invoice bills, kept in the history of bills; whose a domain is, found quickly."""

from alembic import op

from migrations import statements

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

VERSIONS = {"timeline_invoices": 2}


def upgrade() -> None:
    statements.run(__file__)


NO_INDEXES = """
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT indexname FROM pg_indexes WHERE schemaname = 'generations' AND indexdef LIKE '%(domain)%' LOOP
        EXECUTE format('DROP INDEX generations.%I', one.indexname);
    END LOOP;
END $$
"""


def downgrade() -> None:
    op.execute(NO_INDEXES)
    op.execute("DROP INDEX mirror.records_order_domain")
    for slice_name, version in VERSIONS.items():
        op.execute(f"UPDATE read_model.generations SET projector_version = {version} WHERE slice = '{slice_name}'")
    op.execute(
        "COMMENT ON COLUMN read_model.invoices.subscription_ids IS 'The services that the invoice bills, ids with a "
        "blank between them: use string_to_array(subscription_ids, '' '').'"
    )
