"""Where workers run, on this host or on the machines of a Ray cluster: what each way has to offer, and is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.ladder.worker import work

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.ladder.context import Progress
    from harness.ladder.worker import WorkerConfig, WorkerSlot
    from harness.ledger.records import Run, State


@dataclass(frozen=True)
class News:
    """Something that a worker reports while it works: `what` is a sentence of ours, harmless to print."""

    place: str
    run: int
    what: str


def work_at(
    place: WorkerSlot, orders: WorkerConfig, *, stopping: Callable[[], bool], news: Callable[[News], None]
) -> None:
    """Work on the queue, and report what happens. Raises as `work`."""

    def tell(run: int, what: str) -> None:
        news(News(place.name, run, what))

    def watch(run: Run, progress: Progress) -> None:
        if progress.decision is not None:
            tell(run.id, f"{progress.rung}: {progress.decision.decision}")
        elif progress.seed is not None:
            tell(run.id, f"{progress.rung}: seed {progress.seed}")
        elif progress.told:
            tell(run.id, progress.told)

    def ended(run: Run, state: State) -> None:
        tell(run.id, f"ended: {state}")

    work(place, orders, stopping=stopping, watch=watch, ended=ended, tell=lambda what: tell(0, what))


class ExecutionEngine(Protocol):
    """Keeps one worker at each place that it has, until they are through or it is told to stop."""

    def serve(self, orders: WorkerConfig, *, stopping: Callable[[], bool], news: Callable[[News], None]) -> int:
        """Run workers; give the number of climbs that ended. Raises InfrastructureError where none can run.

        A worker that dies is replaced: what it held comes back when its lease ends.
        """
