"""The connection to the ledger's database: SQLite in a folder of the project, or PostgreSQL by URL.

Every write is one short transaction. In SQLite it takes the write lock at its beginning (BEGIN IMMEDIATE), so that no
transaction fails half way for want of it; a commit is on the disk before it counts (synchronous = FULL).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sqlite3
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, literal_column, make_url, select, text
from sqlalchemy.exc import ArgumentError, OperationalError

from harness.core.errors import UserError
from harness.ledger import event_chain
from harness.ledger.failures import LedgerError, sorted_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Table

#: Where the ledger is, unless `HARNESS_DATABASE_URL` says otherwise: in the folder that the command is called in.
FOLDER = ".harness"
VARIABLE = "HARNESS_DATABASE_URL"
#: The newest migration: `migrations/versions`.
HEAD = "0005"
#: How long a writer waits for the others, in seconds.
_PATIENCE = 60.0
#: How often one who waits for SQLite's other writers asks whether it is to stop, in seconds.
_LOOK = 0.25
#: How long the server waits in the middle of a transaction for a worker that was stopped, in seconds. None of ours
#: thinks about anything in there.
_STOPPED = 15.0
_MIGRATION_LOCK = 4_711_001
#: The first SQLite that tells which rows it inserted (RETURNING).
_OLDEST = (3, 35)
#: Engines of this process. A forked one must not use its parent's connections.
_open: weakref.WeakSet[Engine] = weakref.WeakSet()
_NONE = "there is no ledger in this database yet"
_MAKE = "`harness submit` or `harness run` makes one; --folder and --database say where"
_UPGRADE = (
    "end the workers of the older version; then any command that writes, such as `harness submit`, brings it up to date"
)
_EXAMPLE = "for example postgresql://user:password@host/harness, or sqlite:////var/lib/harness/ledger.db"


def _forget() -> None:
    for engine in _open:
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget)


def url_of(folder: Path | None = None, url: str | None = None) -> URL:
    """The database's URL: as given, or from the environment, or the file in the project's folder.

    Raises UserError for what is no URL; it does not repeat what it was given, for there may be a password in it.
    """
    chosen = url or os.environ.get(VARIABLE, "")
    if not chosen:
        return URL.create("sqlite", database=str((folder or Path(FOLDER)).resolve() / "ledger.db"))
    try:
        made = make_url(chosen)
    except (ArgumentError, ValueError):
        made = None
    kind = "" if made is None else made.drivername.partition("+")[0]
    if made is None or kind not in {"sqlite", "postgresql", "postgres"}:
        # Out of the handler: the error would name a part of the URL.
        raise UserError(f"{VARIABLE} is no URL of a SQLite or PostgreSQL database", remedy=_EXAMPLE)
    if kind != "sqlite":
        query = dict(made.query)
        password = query.pop("password", made.password)  # so that there is one place that it is hidden in
        return made.set(drivername="postgresql+psycopg", password=str(password) if password else None, query=query)
    if not made.database or made.database == ":memory:":
        raise UserError("a ledger in memory would be gone with its process", remedy=_EXAMPLE)
    return made.set(drivername="sqlite", database=str(Path(made.database).absolute()))


class Database:
    """An open ledger database, migrated to what this version knows.

    Raises LedgerError for whatever goes wrong with it, UserError for one that a newer version made. It may be used by
    several threads; a forked process gets connections of its own. Who only looks (`reading`) makes nothing and changes
    nothing: a UserError says so where there is no ledger, or one of an older version.
    """

    def __init__(self, url: URL | str, *, reading: bool = False) -> None:
        made = make_url(url)
        #: Asked while another writer is waited for: then no longer.
        self.stopping: Callable[[], bool] = lambda: False
        self.only_looks = reading
        if reading:
            must_be_there(made)
        self.is_sqlite = made.drivername.startswith("sqlite")
        self._secret = str(made.password or "")
        with sorted_errors("opening the ledger", self._secret):
            _must_be_no_other(made)
            self.engine = _sqlite(made, self) if self.is_sqlite else _postgres(made)
            _open.add(self.engine)
            try:
                self._migrate(reading=reading)
            except BaseException:
                self.close()
                raise

    @property
    def now(self) -> ColumnElement[float]:
        """The database's clock: seconds since 1970."""
        spelt = (
            "(julianday('now') - 2440587.5) * 86400.0" if self.is_sqlite else "extract(epoch from clock_timestamp())"
        )
        return literal_column(f"({spelt})")

    @contextlib.contextmanager
    def writing(self, patience: float = _PATIENCE) -> Iterator[Connection]:
        """One transaction that writes: all of it, or nothing. Others are waited for, `patience` seconds at most."""
        with sorted_errors("writing to the ledger", self._secret), self.engine.connect() as connection:
            patient = connection.execution_options(harness_patience=patience)
            with patient.begin():
                if patience < _PATIENCE and not self.is_sqlite:
                    patient.execute(text(f"set local lock_timeout = {int(1000 * patience)}"))
                event_chain.begin(patient)
                yield patient
                if event_chain.waiting(patient):
                    event_chain.write(patient)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A look, which waits for no writer."""
        with sorted_errors("reading the ledger", self._secret), self.engine.connect() as connection:
            quiet = connection.execution_options(harness_reading=True)
            with quiet.begin():
                yield quiet

    def time(self, connection: Connection) -> float:
        """What time it is, by the database's clock."""
        return float(connection.execute(select(self.now)).scalar_one())

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def _migrate(self, *, reading: bool) -> None:
        with self.engine.connect() as connection, connection.execution_options(harness_reading=True).begin():
            version = _version(connection)
        if version == HEAD:  # nobody has to wait for a ledger that is as it should be
            return
        if reading and version <= HEAD:
            what = f"this ledger is of the version {version}, and this harness reads {HEAD}" if version else _NONE
            raise UserError(what, remedy=_UPGRADE if version else _MAKE)
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


def _insert(connection: Connection, table: Table) -> Any:
    """An INSERT that can meet keys that are there; the other database's words would be loaded for nothing."""
    return importlib.import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert(table)


def insert_unless_known(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> set[Any]:
    """Insert rows in few statements, but for those whose keys are there; both databases spell it alike.

    Gives the candidates of the new ones, or their keys where the table has no candidates: a count of rows is not to be
    had from every driver.
    """
    statement = _insert(connection, table)
    key = table.c.candidate if "candidate" in table.c else next(iter(table.primary_key.columns))
    new = connection.execute(statement.on_conflict_do_nothing().returning(key), list(rows))
    return set(new.scalars())


def replace_all(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *changing: str) -> None:
    """Insert rows; of those whose primary keys are there, write the `changing` columns anew."""
    statement = _insert(connection, table)
    new = {name: statement.excluded[name] for name in changing}
    if rows:
        keys = list(table.primary_key.columns)
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=new), list(rows))


def _version(connection: Connection) -> str:
    """The number of the newest migration that was applied; empty where there was none."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return ""
    return str(connection.execute(text("select version_num from alembic_version")).scalar() or "")


def must_be_there(url: URL) -> None:
    """Refuse a SQLite ledger that nobody has made: opening it would make one."""
    _must_be_no_other(url)
    if url.drivername.startswith("sqlite") and not Path(url.database or "").is_file():
        raise UserError(f"there is no ledger at {url.database}", remedy=_MAKE)


def _must_be_no_other(url: URL) -> None:
    """Refuse a pipe, a device or a folder in place of a SQLite ledger: SQLite would say `disk I/O error`, or less."""
    for suffix in ("", "-wal", "-shm", "-journal") if url.drivername.startswith("sqlite") else ():
        path = Path(f"{url.database}{suffix}")
        if path.exists() and not path.is_file() and path.exists():  # the last: SQLite itself may just have removed it
            raise UserError(
                f"the ledger {path} is no regular file", remedy="remove it, or name another place with --folder"
            )


def _sqlite(url: URL, database: Database) -> Engine:
    if sqlite3.sqlite_version_info < _OLDEST:
        raise LedgerError(
            f"this Python has SQLite {sqlite3.sqlite_version}, and the ledger needs 3.35",
            remedy=f"use another Python, or PostgreSQL by {VARIABLE}",
        )
    folder = Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{folder} cannot be a folder", remedy="name another place with --folder") from error
    engine = create_engine(url, connect_args={"timeout": _PATIENCE, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def settle(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are ours to begin: see below
        if not database.only_looks:  # that would change the file
            _write_ahead(connection)
        for setting in ("synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("harness_reading"):
            connection.exec_driver_sql("BEGIN")
        else:
            _begin_to_write(connection, options.get("harness_patience", _PATIENCE), database)

    return engine


def _begin_to_write(connection: Connection, patience: float, database: Database) -> None:
    """Wait for the other writers in turns that end soon: SQLite's own wait hears no signal."""
    driver: Any = connection.connection.dbapi_connection
    until = time.monotonic() + patience
    driver.execute(f"PRAGMA busy_timeout = {int(1000 * _LOOK)}")
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError as error:
                busy = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > until or database.stopping():
                    raise
            else:
                return
    finally:
        driver.execute(f"PRAGMA busy_timeout = {int(1000 * _PATIENCE)}")


def _write_ahead(connection: Any) -> None:
    """Switch a new file to its write-ahead log. Of several that do so at once SQLite refuses some without waiting."""
    until = time.monotonic() + _PATIENCE
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _postgres(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_pre_ping=True,  # after a restart of the server the pool's connections are dead
        pool_size=4,
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": 10},
    )

    @event.listens_for(engine, "connect")
    def settle(connection: Any, _: Any) -> None:
        milliseconds = (("lock_timeout", _PATIENCE), ("idle_in_transaction_session_timeout", _STOPPED))
        for setting, seconds in milliseconds:
            connection.execute(f"SET {setting} = {int(1000 * seconds)}")
        connection.commit()

    return engine
