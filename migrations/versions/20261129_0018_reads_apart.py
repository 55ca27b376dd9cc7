"""What answers need to know of dead letters and feeds stands on the read side: no read waits for a table of ingest."""

from pathlib import Path

from alembic import op

from migrations import statements

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

FORMER_VIEW = "20261121_0004_fanouts.sql", "CREATE VIEW read_model.parked", "COMMENT ON VIEW read_model.parked"
FORMER_FUNCTION = (
    "20261123_0014_changes_told.sql",
    "CREATE FUNCTION read_model.tell_parked",
    "CREATE TRIGGER tell AFTER",
)
SUMS = {
    "invoices": ("subtotal", "tax", "credit", "total", "paid", "refunded", "balance"),
    "subscriptions": ("amount",),
}


def upgrade() -> None:
    statements.run(__file__)


def downgrade() -> None:
    for name, columns in SUMS.items():
        known = ", ".join(f"{column} = coalesce({column}, 0)" for column in columns)
        op.execute(
            f"DO $$ DECLARE one record; BEGIN FOR one IN SELECT generation FROM read_model.generations "
            f"WHERE slice = '{name}' LOOP EXECUTE format('UPDATE generations.%I SET {known}', "
            f"'{name}_' || one.generation); END LOOP; END $$"
        )
        again = ", ".join(f"ALTER COLUMN {column} SET NOT NULL" for column in columns)
        op.execute(f"SELECT generations.reshape('{name}', '{again}')")
    op.execute("DROP TRIGGER tell ON read_model.feeds")
    op.execute("DROP FUNCTION read_model.tell_feed")
    op.execute("ALTER TABLE read_model.feeds DROP COLUMN silent_since")
    op.execute("DROP TRIGGER keep ON ingest.dead_letters")
    op.execute("DROP FUNCTION read_model.keep_parked")
    op.execute("DROP VIEW read_model.parked")
    op.execute("DROP TABLE read_model.parked_entries")
    op.execute("DROP FUNCTION read_model.tell_parked")
    for file, *beginnings in (FORMER_VIEW, FORMER_FUNCTION):
        text = (Path(__file__).parent / file).read_text()
        for beginning in beginnings:
            op.execute(_statement(text, beginning))


def _statement(text: str, beginning: str) -> str:
    """The last statement of a former revision that begins so."""
    return text[text.rindex(beginning) :].split(";\n\n")[0]
