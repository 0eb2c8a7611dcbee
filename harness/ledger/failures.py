"""What goes wrong with a database, told as LedgerError with a next step, and never with a password."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from harness.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterator


class LedgerError(InfrastructureError):
    """The ledger could not be read or written. What was not committed did not happen."""


ROOM = "make room on the disk and go on: nothing that was committed is lost"
_REACH = "see that the database is up, and that HARNESS_DATABASE_URL or the folder names the right one"
_RIGHTS = "see that this user may read and write the ledger: its folder, or its database"
COPY = "restore the ledger from a copy; `PRAGMA integrity_check` or pg_amcheck says what is wrong with this one"
_BUSY = "try again: another process held the ledger for too long; one that was stopped may hold it still"

#: By SQLite's primary result code.
_SQLITE = {
    sqlite3.SQLITE_PERM: _RIGHTS,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_READONLY: _RIGHTS,
    sqlite3.SQLITE_IOERR: "see whether the disk is full or failing; nothing that was committed is lost",
    sqlite3.SQLITE_CORRUPT: COPY,
    sqlite3.SQLITE_FULL: ROOM,
    sqlite3.SQLITE_CANTOPEN: _RIGHTS,
    sqlite3.SQLITE_NOTADB: COPY,
}
#: By the beginning of PostgreSQL's SQLSTATE; the first that fits.
_POSTGRES = (
    ("53100", ROOM),
    ("53", "try again: the server has no room for another connection, or is short of memory"),
    ("28", "see that the user and the password in HARNESS_DATABASE_URL are right"),
    ("3D", "make the database first: createdb"),
    ("42501", _RIGHTS),
    ("25006", "use the primary server: this one only reads"),
    ("40", _BUSY),
    ("55P03", _BUSY),
    ("XX001", COPY),
    ("XX002", COPY),
)


@contextlib.contextmanager
def sorted_errors(doing: str, secret: str = "") -> Iterator[None]:
    """Raise LedgerError for whatever the database or the disk does; `secret` is left out of what is said."""
    try:
        yield
    except OSError as error:
        raise LedgerError(f"{doing} failed: {error.strerror or error}", remedy=_of_disk(error)) from error
    except DBAPIError as error:
        told = str(error.orig).strip().partition("\n")[0]
        raise LedgerError(f"{doing} failed: {_without(told, secret)}", remedy=_remedy(error.orig)) from error
    except SQLAlchemyError as error:
        told = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise LedgerError(f"{doing} failed: {_without(told, secret)}", remedy=_REACH) from error


def _without(text: str, secret: str) -> str:
    return text.replace(secret, "***") if secret else text


def _of_disk(error: OSError) -> str:
    return _RIGHTS if isinstance(error, PermissionError) else ROOM


def _remedy(error: BaseException | None) -> str:
    if isinstance(error, sqlite3.Error):
        return _SQLITE.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF, _REACH)
    state = str(getattr(error, "sqlstate", None) or "")
    told = str(error)
    if not state and "authentication failed" in told:  # psycopg has no code for what fails before there is a session
        state = "28"
    if not state and "database" in told and "does not exist" in told:
        state = "3D"
    return next((remedy for start, remedy in _POSTGRES if state.startswith(start)), _REACH)
