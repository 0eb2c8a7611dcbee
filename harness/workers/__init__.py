"""Where workers run, on this host or on the machines of a Ray cluster: what each way has to offer, and is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.ladder.worker import WorkerConfig


@dataclass(frozen=True)
class News:
    """Something that a worker reports while it works: `what` is a sentence of ours, harmless to print."""

    place: str
    run: int
    what: str


class ExecutionEngine(Protocol):
    """Keeps one worker at each place that it has, until they are through or it is told to stop."""

    def serve(self, orders: WorkerConfig, *, stopping: Callable[[], bool], news: Callable[[News], None]) -> int:
        """Run workers; give the number of climbs that ended. Raises InfrastructureError where none can run.

        A worker that dies is replaced: what it held comes back when its lease ends.
        """
