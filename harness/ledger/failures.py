"""What goes wrong with a database, told as LedgerError with a next step, and never with a password."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from harness.core.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterator


class LedgerError(InfrastructureError):
    """The ledger could not be read or written. What was not committed did not happen.

    What is `passing`: the server is away, the disk is full, another one writes.
    """

    def __init__(self, message: str | None = None, *, remedy: str = "", passing: bool = False) -> None:
        """As any other fault of ours."""
        super().__init__(message, remedy=remedy)
        self.passing = passing


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
#: What passes by itself, or when somebody has made room: SQLite's primary codes, the beginnings of SQLSTATEs.
_PASSING_SQLITE = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN}
)
_PASSING_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE})
_PASSING_POSTGRES = ("08", "25P03", "40", "53", "55P03", "57", "58")


@contextlib.contextmanager
def sorted_errors(doing: str, secret: str = "") -> Iterator[None]:
    """Raise LedgerError for whatever the database or the disk does; `secret` is left out of what is said."""
    try:
        yield
    except OSError as error:
        told = error.strerror or error
        remedy = _RIGHTS if isinstance(error, PermissionError) else ROOM
        raise LedgerError(f"{doing} failed: {told}", remedy=remedy, passing=disk_passes(error)) from error
    except DBAPIError as error:
        told = _without(str(error.orig).strip().partition("\n")[0], secret)
        remedy, passing = _remedy(error.orig), _passes(error.orig)
        raise LedgerError(f"{doing} failed: {told}", remedy=remedy, passing=passing) from error
    except SQLAlchemyError as error:
        told = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise LedgerError(f"{doing} failed: {_without(told, secret)}", remedy=_REACH) from error


def _without(text: str, secret: str) -> str:
    return text.replace(secret, "***") if secret else text


def disk_passes(error: OSError) -> bool:
    """Whether a disk may do tomorrow what it does not do today."""
    return error.errno in _PASSING_DISK


def _remedy(error: BaseException | None) -> str:
    if isinstance(error, sqlite3.Error):
        return _SQLITE.get(_code(error), _REACH)
    state = _state(error)
    return next((remedy for start, remedy in _POSTGRES if state.startswith(start)), _REACH)


def _passes(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return _code(error) in _PASSING_SQLITE
    state = _state(error)
    if state:
        return state.startswith(_PASSING_POSTGRES)
    # Without a code: there is no session, or no longer. Mistakes of ours in SQL have one.
    return any(kind.__name__ == "OperationalError" for kind in type(error).__mro__)


def _code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _state(error: BaseException | None) -> str:
    """The SQLSTATE. psycopg has none for what fails before there is a session; then by the server's words."""
    state, told = str(getattr(error, "sqlstate", None) or ""), str(error)
    if not state and ("authentication failed" in told or ("role" in told and "does not exist" in told)):
        return "28"
    if not state and "database" in told and "does not exist" in told:
        return "3D"
    return state
