"""The screening process, seen from the host: started, given a text, bounded in time and output.

How it ended is told apart: by the text's fault, the machine's, or ours. What it answers is not looked at here.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, NamedTuple

from harness.core.errors import InfrastructureError

_READY = b"ready\n"
#: A machine under load may be slow to start a process; reading is bounded by processor time first.
_START_SECONDS = 60.0
_READ_SECONDS = 20.0
_MOST_BYTES = 8 * 1024 * 1024
_BUSY = "See whether this machine has memory and processor time to spare, and run the check again."
_ROOM = "Make room where temporary files are kept (TMPDIR names another place), and run the check again."
_REMEDY = "Install the harness again (make setup), and see that this machine has memory to spare."
_REMEDIES = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.ENOENT), _ROOM)
_REMEDIES |= dict.fromkeys((errno.ENOMEM, errno.EAGAIN), _BUSY)
# Isolated (-I) and without site (-S): neither the environment nor the folder decides what is imported.
_START = "import sys; sys.path[:0] = sys.argv[1:3]; from harness.screen.worker import main; main(sys.argv[3:])"


class Died(NamedTuple):
    """The process ended on this text without an answer, and how."""

    how: str


class _Started(NamedTuple):
    """A process that waits for its text until its input ends.

    The text is in a file, in full, so that neither side ever waits for the other.
    """

    process: subprocess.Popen[bytes]
    text: IO[bytes]

    def tell(self, data: bytes) -> None:
        """Have it read."""
        with self.text:
            self.text.write(data)
        if self.process.stdin is not None:
            self.process.stdin.close()


#: Started before anybody asked; one at most.
_ahead: list[_Started] = []


def start_ahead() -> None:
    """Start a process for a text that is to come. A fault is told to who asks; with nobody, it ends as we do."""
    with contextlib.suppress(OSError, InfrastructureError):
        _ahead.append(_start("on"))


def ask(data: bytes, policy: str, *named: str) -> bytes | Died:
    """Give the answer of a screening process to a candidate's bytes, or say that the text killed it.

    `policy` and `named` are what `harness.screen.worker.main` is told.
    """
    started = None
    try:
        started = _taken(policy) or _start(policy)
        started.tell(json.dumps(named).encode() + b"\n" + data)
    except OSError as error:
        if started is not None:
            with started.process as process:
                process.kill()
        message = f"the screening process could not be started: {error}"
        raise InfrastructureError(message, remedy=_REMEDIES.get(error.errno or 0, _REMEDY)) from error
    with started.process as process:
        try:
            return _converse(process)
        finally:
            process.kill()


def _taken(policy: str) -> _Started | None:
    """The one that was started ahead, where it has that policy and nobody else has it: two may ask at once."""
    with contextlib.suppress(IndexError):
        return _ahead.pop() if policy == "on" else None
    return None


def _start(policy: str) -> _Started:
    root = str(Path(__file__).resolve().parents[2])
    library = _library()
    text = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed when the text is in it
    number = text.fileno()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START, root, library, policy, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8"},
            pass_fds=(number,),
        )
    except OSError:
        text.close()
        raise
    return _Started(process, text)


def _converse(process: subprocess.Popen[bytes]) -> bytes | Died:
    if process.stdout is None:
        raise InfrastructureError("the screening process has no output", remedy=_REMEDY)
    pipe = process.stdout.fileno()
    started, _ = _read(pipe, len(_READY), _START_SECONDS)
    if started != _READY:
        raise InfrastructureError("the screening process did not start", remedy=_REMEDY)
    answer, complete = _read(pipe, _MOST_BYTES + 1, _READ_SECONDS)
    if not complete:
        if _kept_waiting(process.pid):
            # Its processor time would have run out long before: it was given none.
            message = f"the screening process was not given enough processor time in {_READ_SECONDS:.0f} seconds"
            raise InfrastructureError(message, remedy=_BUSY)
        return Died(f"took more than {_READ_SECONDS:.0f} seconds")
    if len(answer) > _MOST_BYTES:
        return Died("gave too much output")
    status = process.wait(_READ_SECONDS)
    if status == -signal.SIGXCPU:
        return Died("took too much processor time")
    if status == -signal.SIGKILL:
        # Its own limits end it by SIGXCPU or by a MemoryError: the host did this, most often for want of memory.
        raise InfrastructureError("the screening process was killed from outside", remedy=_BUSY)
    if status != 0:
        return Died("ended the parser")
    return answer


def _kept_waiting(pid: int) -> bool:
    """Whether a process would go on if it were let: ready to run, stopped, or waiting for a disk."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in {"R", "T", "t", "D"}


def _read(pipe: int, most: int, seconds: float) -> tuple[bytes, bool]:
    """Read up to `most` bytes; give them, and whether that ended before the time did."""
    data = b""
    poll = select.poll()
    poll.register(pipe, select.POLLIN | select.POLLHUP)
    end = time.monotonic() + seconds
    while len(data) < most:
        if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
            return data, False
        more = os.read(pipe, min(most - len(data), 1 << 16))
        if not more:
            break
        data += more
    return data, True


def _library() -> str:
    """Give the folder that RestrictedPython is installed in, without importing it."""
    spec = importlib.util.find_spec("RestrictedPython")
    if spec is None or spec.origin is None:
        raise InfrastructureError("RestrictedPython is not installed", remedy=_REMEDY)
    return str(Path(spec.origin).resolve().parents[1])
