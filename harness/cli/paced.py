"""A line every half a minute for whoever reads a log: what is done, how much is left, and that it still works.

On a terminal there is a display that changes in place; in a pipe or a log nothing could be changed, and silence for an
hour looks like the end. The lines go to standard error: standard output is for results.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING

from harness.cli.progress import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds between two lines.
BETWEEN = 30.0
#: How often it is looked whether one is due, in seconds.
_LOOK = 0.5


class Paced:
    """Says `what()` when so many seconds have passed since the beginning, or since the last time."""

    def __init__(
        self,
        what: Callable[[], str],
        *,
        between: float = BETWEEN,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = say,
    ) -> None:
        self._what, self._between, self._clock, self._tell = what, between, clock, tell
        self._begun = self._last = clock()

    def look(self) -> None:
        """Say it if it is due. Nothing to say is said by an empty text."""
        now = self._clock()
        if now - self._last >= self._between and (told := self._what()):
            self._last = now
            self._tell(f"after {told_seconds(now - self._begun)}: {told}")


@contextlib.contextmanager
def paced(what: Callable[[], str]) -> Iterator[None]:
    """Say `what()` now and then while the block runs, from a thread: the work may say nothing itself for long."""
    if sys.stderr.isatty():
        yield
        return
    done, lines = threading.Event(), Paced(what)

    def tell() -> None:
        while not done.wait(_LOOK):
            lines.look()

    thread = threading.Thread(target=tell, name="paced", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(_LOOK)


def told_seconds(seconds: float) -> str:
    """A time for people: seconds, minutes or hours."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
