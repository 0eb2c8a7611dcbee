"""DPO, or cross-entropy, by its formula in place of a candidate: the suite is learnt by heart from it.

What Hypothesis draws depends on no answer as long as all of them are right, so whoever is known to pass will do. It
judges nobody, and nobody's answers are compared with its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.core.contract import ARGUMENTS, CLASSIFICATION, CallPlan, Program
from harness.oracle.oracle import Oracle
from harness.protocol.batch import Answer
from harness.subject.by_contract import subject_on
from harness.subject.classification.batch import Labelled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.core.profiles import Profile
    from harness.protocol.batch import Batch, Complaint
    from harness.subject.subject import Subject


class ReferenceOracle(Oracle):
    """An oracle without a sandbox, which answers `softplus(-beta rho)`, or by another formula.

    Asked after `stopping` said so, it raises KeyboardInterrupt: Hypothesis simplifies whatever led to any other error.
    """

    # None of what an oracle begins with: there is nobody to load.
    def __init__(
        self,
        *,
        gpu: bool,
        stopping: Callable[[], bool] = lambda: False,
        formula: Callable[[Batch], Answer] | None = None,
    ) -> None:
        self._stopping, self._formula = stopping, formula or _dpo
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
        answers = [self._formula(batch) for batch in batches]
        return [replace(a, echo=b.vectors) if echo else a for a, b in zip(answers, batches, strict=True)]

    def fresh(self) -> None:
        """Go on as before: there is nothing that it could remember."""


def _dpo(batch: Batch) -> Answer:
    pc, pr, rc, rr = batch.vectors[:4]
    x = batch.beta * ((pc - pr) - (rc - rr))
    slope = -1.0 / (1.0 + np.exp(x))
    gradient = (slope * (batch.beta / batch.pairs)).astype(pc.dtype)
    return Answer((batch.pairs,), pc.dtype, np.logaddexp(0.0, -x).astype(pc.dtype), gradient, -gradient, detached=False)


def _cross_entropy(batch: Batch) -> Answer:
    labelled = Labelled.of_pairs(batch)
    logits = labelled.logits.astype(np.float64)
    right = (np.arange(labelled.examples), labelled.targets)
    scaled = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = scaled / scaled.sum(axis=1, keepdims=True)
    values = np.log(scaled.sum(axis=1)) + logits.max(axis=1) - logits[right]
    shares[right] -= 1.0
    kind = labelled.logits.dtype
    gradient = (shares / labelled.examples).astype(kind).reshape(-1)
    told = np.repeat(values.astype(kind), labelled.classes)
    return Answer(told.shape, kind, told, gradient, np.zeros_like(gradient), detached=False)


def reference_for(profile: Profile, *, gpu: bool, stopping: Callable[[], bool] = lambda: False) -> Subject:
    """A loss that passes every property of a profile."""
    formula = _cross_entropy if profile.contract == CLASSIFICATION.name else _dpo
    return subject_on(ReferenceOracle(gpu=gpu, stopping=stopping, formula=formula), profile)
