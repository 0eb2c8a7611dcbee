"""A probe: take more than there is, of processes, memory, the kernel's names, output or time.

`WHICH` names what. Covered: going MOST or SECONDS far; an answer tells how far that was. Not covered: the
end by the limit itself: then there is no answer, and the oracle says why.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable  # noqa: TC003 - one import, and the text is read, not imported

WHICH = "processes"
MOST = 0
SECONDS = 0.0

_PIECE = 1 << 16
#: Names that are asked for between two looks, and in all: more would take too long.
_BUNDLE, _NAMES = 1 << 13, 1 << 18


def probe() -> dict[str, float]:
    """Do what WHICH says."""
    what: dict[str, Callable[[], dict[str, float]]] = {
        "processes": processes,
        "memory": memory,
        "names": names,
        "output": output,
        "sleep": sleep,
    }
    return what[WHICH]()


def processes() -> dict[str, float]:
    """How many processes can be made, up to MOST; they are ended again."""
    born: list[int] = []
    reason = 0
    try:
        while len(born) < MOST:
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            born.append(child)
    except OSError as error:
        reason = error.errno or -1
    for child in born:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return {"born": len(born), "errno": reason}


def memory() -> dict[str, float]:
    """Take MOST bytes and touch each page: with a limit below it there is no answer."""
    held = [b"x" * (1 << 24) for _ in range(MOST // (1 << 24))]
    return {"taken": len(held) << 24}


def names() -> dict[str, float]:
    """Ask for names that are not there until they would fill MOST bytes: what each takes, and the most in use."""
    before = peak = usage()
    each, asked = 0.0, 0
    while before > 0 and asked * each <= MOST + MOST // 4 and peak <= MOST + MOST // 4 and asked < _NAMES:
        for _ in range(_BUNDLE):
            os.path.exists(f"/harness-doctor-{asked:0200d}")  # noqa: PTH110 - see `files`
            asked += 1
        peak = max(peak, usage())
        each = each or (peak - before) / asked
    return {"names": asked, "each": each, "peak": peak}


def usage() -> int:
    """What the kernel counts as this sandbox's memory, its own for it included; -1 where that cannot be seen."""
    for path in ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes"):
        try:
            with open(path, encoding="ascii") as file:  # noqa: PTH123 - see `files`
                return int(file.read())
        except (OSError, ValueError):
            continue
    return -1


def output() -> dict[str, float]:
    """Print MOST bytes: with a cap below it there is no answer."""
    piece = b"x" * _PIECE
    for _ in range(MOST // _PIECE):
        os.write(2, piece)
    return {"printed": MOST}


def sleep() -> dict[str, float]:
    """Say nothing for SECONDS: with a limit below it there is no answer."""
    time.sleep(SECONDS)
    return {"slept": SECONDS}
