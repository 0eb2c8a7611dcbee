"""Files that keep others out while something is made, waited for in a way that can be called off."""

from __future__ import annotations

import contextlib
import fcntl
import time
from typing import IO, TYPE_CHECKING

from harness.errors import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: How often it is looked whether the other one is done, in seconds.
_BETWEEN_LOOKS = 0.2


@contextlib.contextmanager
def alone(lock: Path, stopping: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Hold a lock, once nobody else does, in whatever process or thread. Its end is the end of whoever holds it.

    Raises StoppedError where `stopping` says so while it waits, OSError where there can be no such file.
    """
    with lock.open("w") as file:
        while not taken(file):
            if stopping():
                raise StoppedError
            time.sleep(_BETWEEN_LOOKS)
        yield


def taken(file: IO[str]) -> bool:
    """Take a lock that nobody else holds; False where somebody does."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
