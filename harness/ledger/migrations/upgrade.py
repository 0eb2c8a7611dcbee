"""Bring a database to the newest version, in the caller's transaction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

if TYPE_CHECKING:
    from sqlalchemy import Connection


def upgrade(connection: Connection) -> None:
    """Apply every migration that this database has not seen yet."""
    scripts = ScriptDirectory(str(Path(__file__).parent))

    def steps(revision: str, _: MigrationContext) -> list[object]:
        return list(scripts._upgrade_revs("head", revision))  # noqa: SLF001 - alembic's own environment does the same

    context = MigrationContext.configure(connection, opts={"fn": steps, "transactional_ddl": False})
    with Operations.context(context):
        context.run_migrations()
