"""The SQL that stands beside a revision, in a file of the same name."""

from pathlib import Path

from alembic import op


def run(revision: str, end: str = ";\n\n") -> None:
    """Execute the statements beside the revision that is this file. `end` is what parts them: a function's body has
    statements of its own, so only the first revisions, which define none, can do without an empty line."""
    for statement in Path(revision).with_suffix(".sql").read_text().split(end):
        if statement.strip():
            op.execute(statement)
