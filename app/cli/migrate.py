"""Migrations, through advanced-alchemy's Alembic commands."""

from pathlib import Path

from advanced_alchemy.alembic.commands import AlembicCommands
from advanced_alchemy.config import AlembicAsyncConfig, SQLAlchemyAsyncConfig
from alembic.script import ScriptDirectory

import migrations


def commands(database_url: str) -> AlembicCommands:
    """Create Alembic's commands over asyncpg for one database."""
    _, rest = database_url.split("://", 1)
    config = SQLAlchemyAsyncConfig(
        connection_string=f"postgresql+asyncpg://{rest}",
        alembic_config=AlembicAsyncConfig(
            script_location=str(Path(migrations.__file__).parent), version_table_name="portal_migrations"
        ),
    )
    return AlembicCommands(sqlalchemy_config=config)


def head() -> str:
    """Return the newest migration of this release."""
    return str(ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head())


def up(database_url: str, revision: str = "head") -> None:
    """Migrate the database up to a revision."""
    commands(database_url).upgrade(revision)


def down(database_url: str, revision: str = "base") -> None:
    """Revert migrations down to a revision."""
    commands(database_url).downgrade(revision)
