"""Whatever changes what a customer may see says so at its commit, to every process that remembers answers."""

from alembic import op

from migrations import statements

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TRIGGERS = {
    "read_model.account_versions": ("tell_inserted", "tell_updated"),
    "read_model.generations": ("tell_swapped", "tell_removed"),
    "read_model.pending": ("tell",),
    "portal.id_mappings": ("tell_linked", "tell_changed"),
    "portal.sessions": ("tell_changed", "tell_removed"),
    "portal.users": ("tell_changed",),
    "ingest.dead_letters": ("tell",),
}
FUNCTIONS = ("accounts", "swap", "account", "mapping", "session", "user_sessions", "parked")


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    for table, names in TRIGGERS.items():
        for name in names:
            op.execute(f"DROP TRIGGER {name} ON {table}")
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION read_model.tell_{name}")
