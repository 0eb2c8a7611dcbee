"""Files that keep others out while something is made, waited for in a way that can be called off."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from harness.core.errors import InfrastructureError, StoppedError
from harness.core.files import NotAFileError, open_to_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: How often it is looked whether the other one is done, in seconds.
_BETWEEN_LOOKS = 0.2


@contextlib.contextmanager
def alone(lock: Path, stopping: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Hold a lock, once nobody else does, in whatever process or thread. Its end is the end of whoever holds it.

    Raises StoppedError where `stopping` says so while it waits, and as `opened`.
    """
    with opened(lock) as descriptor:
        while not taken(descriptor):
            if stopping():
                raise StoppedError
            time.sleep(_BETWEEN_LOOKS)
        yield


@contextlib.contextmanager
def opened(lock: Path) -> Iterator[int]:
    """The descriptor of a lock, which is made where there is none.

    Raises InfrastructureError where something else lies there, OSError where there can be no such file.
    """
    try:
        descriptor = open_to_write(lock, os.O_RDWR)
    except NotAFileError as error:
        raise InfrastructureError(f"the lock {lock} cannot be used: {error.strerror}", remedy="remove it") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def taken(descriptor: int) -> bool:
    """Take a lock that nobody else holds; False where somebody does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
