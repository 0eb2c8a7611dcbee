"""Waiting for what passes by itself: ever longer, to an end, and in a way that can be called off."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from harness.core.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

#: How often one who waits asks whether it is to stop, in seconds.
_LOOK = 0.2


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
