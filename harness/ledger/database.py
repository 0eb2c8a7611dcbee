"""The connection to the ledger's database: SQLite in a folder of the project, or PostgreSQL by URL.

Every write is one short transaction. In SQLite it takes the write lock at its beginning (BEGIN IMMEDIATE), so that no
transaction fails half way for want of it; a commit is on the disk before it counts (synchronous = FULL).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, literal_column, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from harness.errors import InfrastructureError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Table

#: Where the ledger is, unless `HARNESS_DATABASE_URL` says otherwise: in the folder that the command is called in.
FOLDER = ".harness"
VARIABLE = "HARNESS_DATABASE_URL"
#: The newest migration: `migrations/versions`.
HEAD = "0001"
#: How long a writer waits for the others, in seconds.
_PATIENCE = 60.0
_MIGRATION_LOCK = 4_711_001


class LedgerError(InfrastructureError):
    """The ledger could not be read or written. What was not committed did not happen."""


def url_of(folder: Path | None = None, url: str | None = None) -> str:
    """The database's URL: as given, or from the environment, or the file in the project's folder."""
    chosen = url or os.environ.get(VARIABLE, "")
    if not chosen:
        return f"sqlite:///{(folder or Path(FOLDER)).resolve() / 'ledger.db'}"
    scheme, mark, rest = chosen.partition("://")
    if not mark or scheme.partition("+")[0] not in {"sqlite", "postgresql", "postgres"}:
        raise UserError(
            f"{VARIABLE} is no URL of a SQLite or PostgreSQL database",
            remedy="for example postgresql://user:password@host/harness, or sqlite:////var/lib/harness/ledger.db",
        )
    return chosen if scheme.startswith("sqlite") else f"postgresql+psycopg://{rest}"


class Database:
    """An open ledger database, migrated to what this version knows.

    Raises LedgerError for whatever goes wrong with it, UserError for one that a newer version made.
    """

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite")
        with _sorted_errors("opening the ledger"):
            self.engine = _sqlite(url) if self.is_sqlite else create_engine(url, pool_pre_ping=True, pool_size=4)
            self._migrate()

    @property
    def now(self) -> ColumnElement[float]:
        """The database's clock: seconds since 1970."""
        spelt = (
            "(julianday('now') - 2440587.5) * 86400.0" if self.is_sqlite else "extract(epoch from clock_timestamp())"
        )
        return literal_column(f"({spelt})")

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that writes: all of it, or nothing."""
        with _sorted_errors("writing to the ledger"), self.engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent look."""
        with _sorted_errors("reading the ledger"), self.engine.connect() as connection:
            quiet = connection.execution_options(harness_reading=True)
            with quiet.begin():
                yield quiet

    def time(self, connection: Connection) -> float:
        """What time it is, by the database's clock."""
        return float(connection.execute(select(self.now)).scalar_one())

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def _migrate(self) -> None:
        with self.engine.begin() as connection:
            if not self.is_sqlite:
                connection.execute(text(f"select pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            version = _version(connection)
            if version == HEAD:
                return
            if version > HEAD:
                raise UserError(
                    f"a newer version of the harness made this ledger (its version is {version})",
                    remedy="use that version, or another ledger",
                )
            from harness.ledger.migrations.upgrade import upgrade  # noqa: PLC0415 - loads alembic, and is seldom needed

            upgrade(connection)


def insert_unless_known(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row, unless its key is there; tell whether it is new. Both databases spell it alike."""
    statement: Any = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
    return connection.execute(statement.values(**values).on_conflict_do_nothing()).rowcount == 1


def _version(connection: Connection) -> str:
    """The number of the newest migration that was applied; empty where there was none."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return ""
    return str(connection.execute(text("select version_num from alembic_version")).scalar() or "")


def _sqlite(url: str) -> Engine:
    path = url.removeprefix("sqlite:///")
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": _PATIENCE, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def settle(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are ours to begin: see below
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("harness_reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


@contextlib.contextmanager
def _sorted_errors(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(f"{doing} failed: {error.strerror or error}", remedy=_remedy(str(error))) from error
    except DBAPIError as error:
        said = str(error.orig).strip().partition("\n")[0]
        raise LedgerError(f"{doing} failed: {said}", remedy=_remedy(said)) from error
    except SQLAlchemyError as error:
        raise LedgerError(f"{doing} failed: {type(error).__name__}: {error}") from error


def _remedy(said: str) -> str:
    if "full" in said or "No space" in said:
        return "make room on the disk and go on: nothing that was committed is lost"
    if "malformed" in said or "not a database" in said:
        return "restore the ledger from a copy; `PRAGMA integrity_check` says what is wrong with this one"
    return f"see that the database named by {VARIABLE}, or the folder {FOLDER}, can be reached and written"
