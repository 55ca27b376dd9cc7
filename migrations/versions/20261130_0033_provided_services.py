"""Services that the portal provisioned, followed to their providers; hosting accounts as the server has them."""

from alembic import op

from migrations import statements

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("UPDATE read_model.generations SET projector_version = 5 WHERE slice = 'subscriptions'")
    op.execute("DROP VIEW read_model.provider_accounts")
    op.execute("DROP TABLE generations.provider_accounts_1")
    op.execute("DELETE FROM read_model.generations WHERE slice = 'provider_accounts'")
    op.execute("DROP TABLE portal.provider_steps")
    op.execute("DROP TABLE portal.provided_services")
