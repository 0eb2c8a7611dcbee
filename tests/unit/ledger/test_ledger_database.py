"""Opening, migrating, refusing, and what is said when the database fails."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from ledger_samples import claim, submit
from sqlalchemy import MetaData, inspect, text
from sqlalchemy.exc import DBAPIError

from harness.core.errors import UserError
from harness.ledger import Ledger, migrations
from harness.ledger.database import _PATIENCE, HEAD, VARIABLE, Database, _write_ahead, url_of
from harness.ledger.failures import LedgerError
from harness.ledger.migrations import upgrade
from harness.ledger.tables import metadata

SCRIPTS = ScriptDirectory(str(Path(migrations.__file__).parent))


def test_the_migrations_make_the_very_tables_that_the_code_uses(ledger):
    with ledger.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_a_column_that_no_migration_makes_is_noticed(ledger):
    """The test above can fail."""
    from sqlalchemy import Column, Integer, Table

    other = MetaData()
    for table in metadata.sorted_tables:
        table.to_metadata(other)
    Table("runs", other, Column("new", Integer), extend_existing=True)
    with ledger.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), other)


def test_the_newest_migration_is_the_one_that_the_code_knows():
    assert SCRIPTS.get_current_head() == HEAD
    assert SCRIPTS.get_bases() == ["0001"]


def test_an_old_ledger_is_upgraded_and_keeps_what_is_in_it(database_url, tmp_path, monkeypatch):
    """One more migration, made up: everything before it stays."""
    with Ledger(tmp_path, database=database_url) as ledger:
        run = submit(ledger)[0]
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    for path in (Path(migrations.__file__).parent / "versions").glob("v*.py"):
        (versions / path.name).write_text(path.read_text())
    later = (
        "from alembic import op\nimport sqlalchemy as sa\nrevision = '9999'\ndown_revision = 'HEAD'\n"
        "def upgrade():\n    op.add_column('runs', sa.Column('later', sa.Integer))\n"
        "    op.execute('update runs set later = 7')\n"
    )
    (versions / "v9999_later.py").write_text(later.replace("'HEAD'", repr(HEAD)))
    monkeypatch.setattr(upgrade, "__file__", str(versions.parent / "upgrade.py"))
    monkeypatch.setattr("harness.ledger.database.HEAD", "9999")
    with Ledger(tmp_path, database=database_url) as ledger, ledger.database.reading() as connection:
        assert connection.execute(text("select id, later from runs")).all() == [(run, 7)]
    monkeypatch.undo()
    with pytest.raises(UserError, match="newer version") as told:  # and the older harness refuses it now
        Ledger(tmp_path, database=database_url)
    assert told.value.remedy


def test_a_ledger_from_before_functions_were_compared_keeps_its_duplicates(database_url, tmp_path, monkeypatch):
    from harness.ledger.records import State

    def only(connection):
        """As the version before this one made it."""
        nothing: Any = None  # no revision: from an empty database on
        steps: list[Any] = []
        context = MigrationContext.configure(connection, opts={"fn": lambda *_: list(steps)})
        steps += SCRIPTS._upgrade_revs("0003", nothing)
        with Operations.context(context):
            context.run_migrations()

    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "upgrade", only)
        patch.setattr("harness.ledger.database.HEAD", "0003")
        database = Database(url_of(tmp_path, database_url))
        run = text(
            "insert into runs (id, candidate, profile, profile_digest, state, rung, needs, priority, place, "
            "not_before, attempt, faults, approved, reason, same_as, fingerprint, submitted, changed) values "
            "(:id, cast(:id as varchar), 'p', 'd', :state, 2, 'cpu', 0, 0, 0, 1, 0, -1, '', :same_as, :mark, 0, 0)"
        )
        names = ("id", "state", "same_as", "mark")
        known = [(1, "completed", None, "f"), (2, "duplicate", 1, "f"), (3, "rejected", None, None)]
        with database.writing() as connection:
            for each in known:
                row = dict(zip(names, each, strict=True))
                connection.execute(
                    text("insert into candidates values (cast(:id as varchar), 'n', 'p', :text, 0)"),
                    {**row, "text": b""},
                )
                connection.execute(run, row)
            connection.execute(text("insert into fingerprints values ('d', 'f', 1)"))
        database.close()
    with Ledger(tmp_path, database=database_url) as ledger:
        first, second, third = (ledger.run(number) for number in (1, 2, 3))
        assert (first.function, second.function, third.function) == ("1", "1", None)
        assert ledger.answering(second).id == 1
        assert not any(run.alone for run in (first, second, third))
        ledger.database.close()
        with ledger.database.reading() as connection:
            assert [tuple(r) for r in connection.execute(text("select fingerprint, run from functions"))] == [("f", 1)]
        assert len(ledger.secret()) == 32
        assert ledger.runs(states=(State.DUPLICATE,))[0].id == 2


def test_a_migration_that_fails_half_way_leaves_nothing(database_url, tmp_path, monkeypatch):
    def broken(connection):
        real(connection)
        raise OSError(5, "power")

    real = upgrade.upgrade
    monkeypatch.setattr(upgrade, "upgrade", broken)
    with pytest.raises(LedgerError, match="power"):
        Ledger(tmp_path, database=database_url)
    monkeypatch.undo()
    with Ledger(tmp_path, database=database_url) as ledger:
        assert submit(ledger)


@pytest.mark.rest
def test_many_who_open_a_new_ledger_at_once_all_get_it(database_url, tmp_path):
    program = (
        "import sys; from pathlib import Path; from harness.ledger import Ledger\n"
        "with Ledger(Path(sys.argv[1]), database=sys.argv[2]) as ledger: print(ledger.counts())"
    )
    command = [sys.executable, "-c", program, tmp_path, database_url]
    openers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
    said = [opener.communicate() for opener in openers]
    assert [(out, error) for out, error in said] == [(b"{}\n", b"")] * 6


def test_a_new_file_that_another_switches_to_its_log_at_the_same_moment_is_tried_again():
    """SQLite refuses one in a hundred of those without waiting, however long it may wait."""

    class Refused:
        tries = 0

        def execute(self, statement):
            if statement != "PRAGMA journal_mode":
                self.tries += 1
                if self.tries < 3:
                    error = sqlite3.OperationalError("database is locked")
                    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                    raise error
            return self

        def fetchone(self):
            return ("wal" if self.tries == 3 else "delete",)

    connection = Refused()
    _write_ahead(connection)
    assert connection.tries == 3


def test_the_ledger_is_in_the_projects_folder_unless_the_environment_says_otherwise(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    odd = tmp_path / "a folder? with 100% #marks"
    with Ledger(odd) as ledger:
        submit(ledger)
    assert (odd / "ledger.db").exists()
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path / 'other.db'}")
    with Ledger(odd) as ledger:
        assert ledger.runs() == []
    assert (tmp_path / "other.db").exists()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:s3cret@host/db",
        "postgresql://u:s3cret@host:s3cret/db",
        "postgresql://u:p@s3cret:x@host/db",
        "s3cret",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://u:s3cret@[::1/db",
    ],
)
def test_what_is_no_url_is_refused_without_repeating_it(url, monkeypatch):
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(UserError) as told:
        url_of()
    whole = [told.value, told.value.__cause__, told.value.__context__]
    assert all("s3cret" not in f"{error!r} {getattr(error, 'remedy', '')}" for error in whole if error)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_spelling_of_postgresql_is_understood(scheme):
    url = url_of(url=f"{scheme}://user:pass@host/name")
    assert (url.drivername, url.password) == ("postgresql+psycopg", "pass")


def test_no_message_has_a_password(postgres, tmp_path):
    url = f"postgresql://nobody-s3cret:s3cret@/none?host={postgres.folder}"
    with pytest.raises(LedgerError) as told:
        Ledger(tmp_path, database=url)
    assert "s3cret" not in told.value.message + told.value.remedy
    with pytest.raises(LedgerError) as told:
        Ledger(tmp_path, database="postgresql://u:s3cret@127.0.0.1:1/none")
    assert "s3cret" not in told.value.message + told.value.remedy
    assert "is up" in told.value.remedy


def test_a_database_that_is_not_there_is_named_with_the_next_step(postgres, tmp_path):
    with pytest.raises(LedgerError) as told:
        Ledger(tmp_path, database=f"postgresql://harness@/none?host={postgres.folder}")
    assert "createdb" in told.value.remedy


def test_a_damaged_ledger_is_named_with_the_next_step(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(LedgerError) as told:
        Ledger(tmp_path)
    assert "from a copy" in told.value.remedy
    with Ledger(tmp_path / "new") as ledger:
        submit(ledger, range(500))
        ledger.database.close()
        path = tmp_path / "new" / "ledger.db"
        data = path.read_bytes()
        path.write_bytes(data[:8192] + os.urandom(len(data) - 8192))
        with pytest.raises(LedgerError) as told:
            ledger.runs()
        assert "from a copy" in told.value.remedy


@pytest.mark.parametrize("name", ["ledger.db", "ledger.db-wal", "ledger.db-journal"])
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("reading", [False, True])
def test_a_ledger_that_is_no_file_is_refused(tmp_path, name, make, reading):
    if name != "ledger.db":
        Ledger(tmp_path).database.close()
        (tmp_path / name).unlink(missing_ok=True)
    make(tmp_path / name)
    with pytest.raises(UserError, match="is no regular file") as told:
        Ledger(tmp_path, reading=reading)
    assert str(tmp_path / name) in told.value.message
    assert told.value.remedy


@pytest.mark.parametrize("make", [os.mkfifo, Path.touch])
@pytest.mark.parametrize("folder", ["there", "there/folder"])
def test_a_folder_that_cannot_be_one_is_the_users_to_change(tmp_path, make, folder):
    make(tmp_path / "there")
    with pytest.raises(UserError, match="cannot be a folder") as told:
        Ledger(tmp_path / folder)
    assert "--folder" in told.value.remedy


@pytest.mark.rest
def test_who_holds_the_ledger_for_too_long_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.ledger.database._PATIENCE", 0.2)
    with Ledger(tmp_path) as ledger:
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="locked") as told:
            submit(ledger)
        assert "held the ledger" in told.value.remedy
        assert ledger.runs() == []  # readers wait for nobody
        other.close()
        assert submit(ledger)


@pytest.mark.rest
def test_a_server_that_was_restarted_is_used_again_without_a_word(tmp_path):
    from ledger_postgres import running

    with running() as server, Ledger(tmp_path, database=server.database()) as ledger:
        submit(ledger)
        server.stop()
        with pytest.raises(LedgerError) as told:
            ledger.runs()
        assert told.value.remedy
        server.start()
        assert claim(ledger).attempt == 1


def test_one_that_was_stopped_in_the_middle_of_a_transaction_does_not_hold_up_the_others(
    postgres, tmp_path, monkeypatch
):
    url = postgres.database()
    with Ledger(tmp_path, database=url) as ledger, Ledger(tmp_path, database=url) as stopped:
        run = submit(ledger)[0]
        with monkeypatch.context() as short:  # for this one alone: the others are not to be in a hurry
            short.setattr("harness.ledger.database._STOPPED", 0.3)
            stopped.database.engine.dispose()
            sleeper = stopped.database.engine.connect()
        sleeper.execute(text("select id from runs for update"))
        ledger.cancel(run)  # waits, and goes on when the server has given the other up
        with pytest.raises(DBAPIError):
            sleeper.execute(text("select 1"))
        sleeper.invalidate()
        sleeper.close()
        assert stopped.run(run).state == "cancelled"


def test_a_database_can_be_given_as_a_text(tmp_path):
    Database(f"sqlite:///{tmp_path / 'x.db'}").close()


def test_a_commit_is_on_the_disk_before_it_counts(tmp_path, postgres):
    """Killed processes cannot show it: what they wrote is in the system's memory. The settings can."""
    with Ledger(tmp_path) as ledger, ledger.database.engine.connect() as connection:
        wanted = {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1}
        assert {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted} == wanted
    with Ledger(tmp_path, database=postgres.database()) as ledger, ledger.database.engine.connect() as connection:
        assert connection.exec_driver_sql("show synchronous_commit").scalar() == "on"
        assert connection.exec_driver_sql("show transaction_isolation").scalar() == "read committed"


def test_a_password_among_the_options_is_hidden_too():
    url = url_of(url="postgresql://u@h/db?password=s3cret&sslmode=require")
    assert (url.password, dict(url.query)) == ("s3cret", {"sslmode": "require"})
    assert "s3cret" not in str(url)


def test_a_sqlite_that_is_too_old_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.raises(LedgerError, match="needs 3") as told:
        Ledger(tmp_path)
    assert VARIABLE in told.value.remedy


@pytest.fixture
def busy(tmp_path):
    """A ledger that another process, stopped in the middle of a transaction, holds for as long as the test likes."""
    with Ledger(tmp_path) as opened:
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield opened
        other.close()


def test_whoever_waits_for_another_writer_can_be_told_to_stop(busy):
    stop = threading.Event()
    busy.database.stopping = stop.is_set
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    with pytest.raises(LedgerError, match="locked") as raised:
        submit(busy)
    assert raised.value.passing
    assert time.monotonic() - began < _PATIENCE, "not told to stop, it would wait for so long"


def test_how_far_a_training_is_is_not_worth_a_long_wait(busy, monkeypatch):
    began = time.monotonic()
    with pytest.raises(LedgerError):
        busy.over(SimpleNamespace(run=SimpleNamespace(id=1), attempt=1))
    assert time.monotonic() - began < _PATIENCE
    monkeypatch.setattr("harness.ledger.database._PATIENCE", 0.1)
    with busy.database.reading() as connection:  # and nobody who only looks waits at all
        assert connection.execute(text("select count(*) from runs")).scalar() == 0
