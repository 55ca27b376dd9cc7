"""The language of customers, of mails, and of the reasons that are kept."""

from alembic import op

from migrations import statements

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

VERSIONS = {
    "profiles": 2,
    "orders": 5,
    "subscriptions": 8,
    "timeline_orders": 3,
    "timeline_cases": 1,
    "timeline_invoices": 3,
    "timeline_subscriptions": 5,
    "invoices": 5,
    "eligibility": 3,
}
"""The versions of projectors before."""


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    for name, version in VERSIONS.items():
        op.execute(f"UPDATE read_model.generations SET projector_version = {version} WHERE slice = '{name}'")
    op.execute("ALTER TABLE portal.mails DROP COLUMN language")
    op.execute("ALTER TABLE portal.commands DROP COLUMN error_phrases")
    op.execute("ALTER TABLE read_model.pending DROP COLUMN reason_phrases")
    op.execute("SELECT generations.retype('profiles', 'DROP COLUMN language')")
