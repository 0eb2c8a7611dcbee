"""Waiting in a way that can be called off: for a file that keeps others out, and for what passes by itself.

Files keep others out while something is made. What passes by itself is tried again, after ever longer waits, to an end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from harness.core.errors import InfrastructureError, StoppedError
from harness.core.files import NotAFileError, open_to_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: How often one who waits looks whether the other one is done, or whether it is to stop, in seconds.
_LOOK = 0.2
T = TypeVar("T")


@contextlib.contextmanager
def alone(lock: Path, stopping: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Hold a lock, once nobody else does, in whatever process or thread. Its end is the end of whoever holds it.

    Raises StoppedError where `stopping` says so while it waits, and as `opened`.
    """
    with opened(lock) as descriptor:
        while not taken(descriptor):
            if stopping():
                raise StoppedError
            time.sleep(_LOOK)
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


def growing(first: float, longest: float) -> Iterator[float]:
    """Waits in seconds without an end, each twice the one before, and none longer than `longest`."""
    while True:
        yield min(first, longest)
        first *= 2.0


@dataclass(frozen=True)
class Patience:
    """How long to wait for what passes, in seconds; when to stop all the same; whom to tell about it."""

    seconds: float
    stopping: Callable[[], bool]
    tell: Callable[[str], None]

    def wait(self, seconds: float) -> None:
        """Sleep, and wake early where it is to stop."""
        until = time.monotonic() + seconds
        while not self.stopping() and (left := until - time.monotonic()) > 0:
            time.sleep(min(_LOOK, left))

    def until_it_works(self, what: Callable[[], T], who: str, *, first: float = 0.5, longest: float = 15.0) -> T:
        """Do something, and again while it fails in a way that passes. Raises InfrastructureError.

        `who` answers again in the end; `first` and `longest` are the waits in seconds.
        """
        begun, failed, waits = time.monotonic(), False, growing(first, longest)
        while True:
            try:
                done = what()
            except InfrastructureError as error:
                if not error.passing or self.stopping() or time.monotonic() - begun > self.seconds:
                    raise
                if not failed:
                    self.tell(f"{error.message}; it waits")
                failed = True
            else:
                if failed:
                    self.tell(f"{who} answers again, after {time.monotonic() - begun:.0f} s")
                return done
            self.wait(next(waits))
