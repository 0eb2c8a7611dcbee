"""What the steps of the set-up share: running tools quietly, with their last words in the error, and showing each step.

A step is shown as one line with the seconds it took; on a terminal the line is live.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from harness.core.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


TAIL_LINES = 12
APT = ("apt-get", "-qq", "--assume-yes", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120")
_CLEAR = "\r\x1b[2K"
_TICK_SECONDS = 0.2


class SetupError(InfrastructureError):
    """The set-up could not be finished."""


def run(command: Sequence[str], *, remedy: str, env: Mapping[str, str] | None = None) -> None:
    """Run a command to its end; SetupError carries the end of its output and the remedy."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as problem:
        raise SetupError(f"{command[0]} cannot be run: {problem.strerror}", remedy=remedy) from problem
    if done.returncode != 0:
        tail = "\n".join(done.stdout.strip().splitlines()[-TAIL_LINES:])
        raise SetupError(f"`{' '.join(command)}` ended with {done.returncode}:\n{tail}", remedy=remedy)


def may_install(etc: Path = Path("/etc")) -> bool:
    """Tell whether system packages can be installed: root, on a Debian or a relative of it."""
    return os.geteuid() == 0 and (etc / "debian_version").exists() and shutil.which("apt-get") is not None


def apt_install(*packages: str) -> None:
    """Install distribution packages; only after `may_install`."""
    remedy = "see whether the package archive answers, then install by hand: apt-get install " + " ".join(packages)
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}
    run([*APT, "update"], remedy=remedy, env=quiet)
    run([*APT, "install", "--no-install-recommends", *packages], remedy=remedy, env=quiet)


class Display:
    """Writes to `stream` (standard error by default: standard output belongs to the verdict)."""

    def __init__(self, stream: TextIO | None = None, *, live: bool | None = None) -> None:
        """`live` redraws the running line; by default on a terminal that is not under CI."""
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty() and not os.environ.get("CI") if live is None else live

    @contextmanager
    def step(self, title: str, *, live: bool = True) -> Iterator[None]:
        """Show that a step runs, then that it is done or failed, and for how long it ran.

        `live=False` leaves the terminal to the step's own display.
        """
        live = live and self._live
        began = time.monotonic()
        ended = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(title, began, ended), daemon=True)
        if live:
            ticker.start()
        else:
            self._write(f"setup: {title} ...\n")
        mark = "failed"
        try:
            yield
            mark = "done"
        finally:
            ended.set()
            if live:
                ticker.join()
            start = f"{_CLEAR}  " if live else "setup: "
            self._write(f"{start}{title}: {mark} ({time.monotonic() - began:.1f} s)\n")

    def _tick(self, title: str, began: float, ended: threading.Event) -> None:
        while not ended.is_set():
            self._write(f"{_CLEAR}  {title} ... {time.monotonic() - began:.0f} s")
            ended.wait(_TICK_SECONDS)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
