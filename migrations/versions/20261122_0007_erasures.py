"""Erasures of personal data, and whose records are taken in without it from now on."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SQL = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    for statement in SQL.read_text().split(";\n\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE portal.erased_owners")
    op.execute("DROP TABLE portal.erasures")
