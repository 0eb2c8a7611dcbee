"""Waiting for a database that is away; what passes and what does not."""

from __future__ import annotations

import errno
import sqlite3
import threading
import time

import psycopg
import pytest
from ledger_postgres import running
from ledger_samples import submit
from sqlalchemy.exc import OperationalError

from harness.core.errors import UserError
from harness.core.waiting import Patience
from harness.ledger import Ledger
from harness.ledger.failures import LedgerError, sorted_errors
from harness.ledger.ledger import PatientLedger


def patience(told, seconds=60.0, stopping=lambda: False):
    return Patience(seconds, stopping, told.append)


@pytest.mark.rest
def test_a_server_that_is_away_is_waited_for_and_nothing_is_lost(tmp_path):
    told: list[str] = []
    with running() as server, PatientLedger(patience(told), tmp_path, database=server.database()) as ledger:
        run = submit(ledger)[0]
        server.stop()
        claimed = []
        waiting = threading.Thread(
            target=lambda: claimed.append(ledger.claim("worker", slot="worker/cpu/0", needs=("cpu",)))
        )
        waiting.start()
        waiting.join(1.0)
        assert waiting.is_alive()
        server.start()
        waiting.join(120)
        assert [held and held.run.id for held in claimed] == [run]
        assert len(told) == 2
        assert "it waits" in told[0]
        assert "answers again" in told[1]


@pytest.mark.rest
def test_one_who_is_told_to_stop_waits_no_longer(tmp_path):
    stop = threading.Event()
    with running() as server:
        url = server.database()
        with PatientLedger(patience([], stopping=stop.is_set), tmp_path, database=url) as ledger:
            server.stop()
            threading.Timer(0.5, stop.set).start()
            with pytest.raises(LedgerError):
                ledger.counts()
            assert stop.is_set()
            with pytest.raises(LedgerError):  # nor does one who looks, and is no worker
                ledger.runs()


def test_patience_has_an_end():
    tries = []

    def away():
        tries.append(time.monotonic())
        raise LedgerError("the server is away", passing=True)

    with pytest.raises(LedgerError, match="away"):
        patience([], seconds=1.0).until_it_works(away, "the server")
    assert len(tries) >= 3
    assert tries[-1] - tries[-2] > tries[1] - tries[0]


def test_what_does_not_pass_is_told_at_once(tmp_path):
    told: list[str] = []
    (tmp_path / "ledger.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(LedgerError, match="not a database"):
        PatientLedger(patience(told), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be a folder"):
        PatientLedger(patience(told), tmp_path / "file" / "folder")
    assert told == []


def sqlite_error(code):
    error = sqlite3.OperationalError("it is so")
    error.sqlite_errorcode = code
    return error


def coded(state):
    return psycopg.errors.lookup(state)("it is so")


@pytest.mark.parametrize(
    ("cause", "passing"),
    [
        (sqlite_error(sqlite3.SQLITE_FULL), True),
        (sqlite_error(sqlite3.SQLITE_IOERR | 10 << 8), True),
        (sqlite_error(sqlite3.SQLITE_CORRUPT), False),
        (sqlite_error(sqlite3.SQLITE_ERROR), False),
        (psycopg.OperationalError("connection refused"), True),
        (psycopg.OperationalError('password authentication failed for user "a"'), False),
        (psycopg.OperationalError('database "a" does not exist'), False),
        (psycopg.OperationalError('role "a" does not exist'), False),
        (psycopg.ProgrammingError("no such thing"), False),
        (coded("57P01"), True),  # the server is shut down
        (coded("53100"), True),  # its disk is full
        (coded("42P01"), False),
        (coded("XX001"), False),
    ],
)
def test_what_passes(cause, passing):
    with pytest.raises(LedgerError) as told, sorted_errors("trying"):
        raise OperationalError("select 1", {}, cause)
    assert told.value.passing is passing


@pytest.mark.parametrize(("number", "passing"), [(errno.ENOSPC, True), (errno.EACCES, False), (errno.ENOTDIR, False)])
def test_what_passes_on_a_disk(number, passing):
    with pytest.raises(LedgerError) as told, sorted_errors("trying"):
        raise OSError(number, "it is so")
    assert told.value.passing is passing


def test_all_runs_are_given_unless_a_limit_is_named(tmp_path):
    with Ledger(tmp_path) as ledger:
        submit(ledger, range(1003))
        assert len(ledger.runs()) == 1003
        assert len(ledger.runs(limit=7)) == 7
