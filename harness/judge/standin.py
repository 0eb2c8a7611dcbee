"""DPO by its formula, in place of a candidate: the suite is learnt by heart from it while a sandbox still starts.

What Hypothesis draws depends on no answer as long as all of them are right, so whoever is known to pass will do. It
judges nobody, and nobody's answers are compared with its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.contract import ARGUMENTS, CallPlan, Program
from harness.oracle.batch import Answer
from harness.oracle.oracle import Oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.oracle.batch import Batch, Complaint


class StandIn(Oracle):
    """An oracle without a sandbox, which answers `softplus(-beta rho)`. It has a GPU if candidates have one.

    Asked after `stopping` said so, it raises KeyboardInterrupt: Hypothesis simplifies whatever led to any other error.
    """

    # None of what an oracle begins with: there is nobody to load.
    def __init__(self, *, gpu: bool, stopping: Callable[[], bool] = lambda: False) -> None:
        self._stopping = stopping
        self.program = Program("", guarded=True, plan=CallPlan("loss", "function", ARGUMENTS), name="dpo", source="")
        self.has_gpu = gpu
        self.calls = 0

    def ask(
        self,
        batches: Sequence[Batch],
        *,
        echo: bool = False,
        gpu: bool = False,
        weights: list[np.ndarray] | None = None,
        packed: bytes | None = None,
    ) -> list[Answer | Complaint]:
        """Answer as an oracle does."""
        del gpu, weights, packed
        if self._stopping():
            raise KeyboardInterrupt
        self.calls += len(batches)
        answers = [_dpo(batch) for batch in batches]
        return [replace(a, echo=b.vectors) if echo else a for a, b in zip(answers, batches, strict=True)]

    def fresh(self) -> None:
        """Go on as before: there is nothing that it could remember."""


def _dpo(batch: Batch) -> Answer:
    pc, pr, rc, rr = batch.vectors[:4]
    x = batch.beta * ((pc - pr) - (rc - rr))
    slope = -1.0 / (1.0 + np.exp(x))
    gradient = (slope * (batch.beta / batch.pairs)).astype(pc.dtype)
    return Answer((batch.pairs,), pc.dtype, np.logaddexp(0.0, -x).astype(pc.dtype), gradient, -gradient, detached=False)
