"""A PostgreSQL server of the tests' own: made in a temporary folder, on a Unix socket, as a user without rights.

Where its programs are missing, they are installed as root on Debian; elsewhere the tests that need it are skipped, and
in CI they fail.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.setup.steps import apt_install, may_install

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path("/usr/lib/postgresql")
_NUMBERS = itertools.count()


def programs() -> Path:
    """The folder with initdb and postgres; the newest, installed if need be and possible."""
    if not (found := _found()) and may_install():
        apt_install("postgresql")
        found = _found()
    if found:
        return found[-1]
    told = "PostgreSQL's server is not on this machine: install the package postgresql"
    if os.environ.get("CI"):
        pytest.fail(told)
    pytest.skip(told)


def _found() -> list[Path]:
    versions = sorted((p for p in PROGRAMS.glob("[0-9]*")), key=lambda p: int(p.name))
    return [p / "bin" for p in versions if (p / "bin" / "initdb").exists()]


@dataclass
class Postgres:
    """A server that can be stopped, killed and started again. Every commit is on the disk (fsync is on)."""

    folder: Path
    bin: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        import psycopg

        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self.folder}", "-c", "fsync=on"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.folder / "data", *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                **_unprivileged(),
            )
        for _ in range(600):
            with contextlib.suppress(psycopg.OperationalError):
                self.sql("select 1", "postgres")
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        pytest.fail(f"the server does not answer: {(self.folder / 'log').read_text()[-2000:]}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends all sessions in order, SIGQUIT drops everything as a power loss would."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(600)
            self.process = None

    def sql(self, statement: str, database: str) -> None:
        """Run one statement outside of any transaction."""
        import psycopg

        where = f"host={self.folder} user=harness dbname={database}"
        with psycopg.connect(where, autocommit=True, connect_timeout=60) as connection:
            connection.execute(statement.encode())

    def database(self) -> str:
        """The URL of an empty database."""
        name = f"ledger{next(_NUMBERS)}"
        self.sql(f"create database {name}", "postgres")
        return f"postgresql://harness@/{name}?host={self.folder}"


def _unprivileged() -> dict[str, Any]:
    """As whom the server runs: root is refused."""
    if os.geteuid() != 0:
        return {}
    with contextlib.suppress(KeyError):
        user = pwd.getpwnam("postgres")
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """A server in a folder of its own; both are gone at the end."""
    found = programs()
    folder = Path(tempfile.mkdtemp(prefix="harness-pg-", dir="/tmp"))  # a socket's path is short
    server = Postgres(folder, found)
    try:
        who = _unprivileged()
        if who:
            os.chown(folder, who["user"], who["group"])
        made = subprocess.run(
            [found / "initdb", "-D", folder / "data", "-U", "harness", "-A", "trust", "-E", "UTF8", "--locale=C"],
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
            **who,
        )
        if made.returncode:
            pytest.fail(f"initdb: {made.stdout}{made.stderr}")
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)  # nobody asks for what it still holds
        shutil.rmtree(folder, ignore_errors=True)
