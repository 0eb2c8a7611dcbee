"""Hands the progress of trainings to the ledger, every few seconds, while they run."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.core.errors import InfrastructureError
from harness.ledger.progress import Underway

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.ladder.context import Progress, Training
    from harness.ledger import Ledger
    from harness.ledger.records import Claim

#: How often a training is told of, in seconds.
BETWEEN = 2.0
#: Most points of a curve; a longer one is thinned out.
_POINTS = 48


@dataclass
class _Step:
    """A step of one training, as it is told of."""

    began: float
    key: tuple[object, ...]
    told: float | None = None
    curve: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def add(self, training: Training) -> None:
        """Take the newest points."""
        for name, value in training.at.curve.items():
            points = self.curve.setdefault(name, [])
            points.append((training.at.done, float(value)))
            if len(points) >= 2 * _POINTS:
                del points[1::2]


class ProgressWriter:
    """What a worker's climb at a run is at, for the ledger. A ledger that does not answer is not waited for."""

    def __init__(self, ledger: Ledger, held: Claim, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger, self._held, self._clock = ledger, held, clock
        self._steps: dict[tuple[str, int], _Step] = {}
        self._there = False

    def watch(self, progress: Progress) -> None:
        """Told by the climb."""
        with contextlib.suppress(InfrastructureError):
            if progress.training is not None:
                self._tell(progress.rung, progress.training)
            elif self._there and (progress.seed is not None or progress.decision is not None):
                self._ledger.over(self._held, progress.seed if progress.decision is None else None)

    def _tell(self, rung: str, training: Training) -> None:
        now, key = self._clock(), (rung, training.step)
        step = self._steps.get((training.whose, training.seed))
        if step is None or step.key != key:
            step = self._steps[training.whose, training.seed] = _Step(now, key)
        step.add(training)
        if step.told is not None and now - step.told < BETWEEN:
            return
        step.told, self._there = now, True
        at = training.at
        curve = {name: tuple(points) for name, points in step.curve.items()}
        where = (training.whose, rung, training.seed, str(training.step), at.what, at.done, at.total)
        self._ledger.tell(self._held, Underway(*where, now - step.began, curve))
