"""A probe: take more than there is, of processes, memory, output or time.

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


def probe() -> dict[str, float]:
    """Do what WHICH says."""
    what: dict[str, Callable[[], dict[str, float]]] = {
        "processes": processes,
        "memory": memory,
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
