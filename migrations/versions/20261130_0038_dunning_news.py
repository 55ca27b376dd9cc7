"""What customers are shown of dunning, and the versions of the read models that show it."""

from alembic import op

from migrations import statements

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

FORMER = {"invoices": 4, "subscriptions": 6, "timeline_invoices": 2, "timeline_subscriptions": 4}


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    for slice_name, version in FORMER.items():
        op.execute(f"UPDATE read_model.generations SET projector_version = {version} WHERE slice = '{slice_name}'")
    op.execute("DROP INDEX mirror.records_dunning_invoice")
    op.execute("DROP INDEX portal.dunning_updated")
    op.execute("ALTER TABLE portal.dunning_steps DROP COLUMN notice_id")
    op.execute("DROP TABLE portal.dunning_news")
