"""What each rung of a climb takes, as the worker tells it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.ladder.context import Progress
    from harness.ledger.records import Run


class Clock:
    """Adds up what each rung of a climb takes, in seconds."""

    def __init__(self, seconds: dict[str, float], say: Callable[[str], None]) -> None:
        self._seconds, self._say = seconds, say
        self._at, self._since = "start", time.monotonic()

    def watch(self, run: Run, progress: Progress) -> None:
        """Told by the worker."""
        del run
        if progress.rung != self._at:
            self.stop()
            self._at = progress.rung
        if progress.training is not None:
            at = progress.training
            self._say(f"{progress.rung}, {at.whose}, seed {at.seed}: {at.step} {at.at.done}/{at.at.total}")
            return
        self._say(progress.rung if progress.seed is None else f"{progress.rung}, seed {progress.seed}")

    def stop(self) -> None:
        """Account for the rung so far."""
        now = time.monotonic()
        self._seconds[self._at] = self._seconds.get(self._at, 0.0) + now - self._since
        self._since = now
