"""What is set up once an order is active: a row a step of its provisioning template."""

from alembic import op

from migrations import statements

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    op.execute("DROP TABLE portal.provision_steps")
