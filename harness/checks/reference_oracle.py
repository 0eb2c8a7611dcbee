"""DPO, cross-entropy or multi-way DPO, by its formula in place of a candidate: examples are drawn for it.

What Hypothesis draws depends on no answer as long as all of them are right, so whoever is known to pass will do. It
judges nobody, and nobody's answers are compared with its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.contract import CLASSIFICATION, LISTS, PREFERENCE
from harness.core.program import CallPlan, Program
from harness.oracle.oracle import Oracle
from harness.protocol.batch import Answer
from harness.subject.by_contract import subject_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.core.profiles import Profile
    from harness.protocol import wire
    from harness.protocol.batch import Batch, Complaint
    from harness.protocol.batch_types import LabelledBatch, ListBatch, PairBatch
    from harness.subject.subject import Subject


class ReferenceOracle(Oracle):
    """An oracle without a sandbox, which answers `softplus(-beta rho)`, or by another formula.

    Asked after `stopping` said so, it raises KeyboardInterrupt: Hypothesis simplifies whatever led to any other error.
    """

    # None of what an oracle begins with: there is nobody to load.
    def __init__(
        self,
        *,
        gpu: bool = True,
        stopping: Callable[[], bool] = lambda: False,
        formula: Callable[[Any], Answer] | None = None,
    ) -> None:
        self._stopping, self._formula = stopping, formula or _FORMULAS[PREFERENCE.name]
        self.program = Program(
            "", guarded=True, plan=CallPlan("loss", "function", PREFERENCE.arguments), name="dpo", source=""
        )
        self.has_gpu = gpu
        self.calls = 0

    def ask(
        self,
        batches: Sequence[Batch],
        *,
        echo: bool = False,
        gpu: bool = False,
        parts: wire.Parts = None,
        packed: bytes | None = None,
    ) -> list[Answer | Complaint]:
        """Answer as an oracle does."""
        del gpu, parts, packed
        if self._stopping():
            raise KeyboardInterrupt
        self.calls += len(batches)
        answers = [self._formula(batch) for batch in batches]
        return [replace(a, echo=b.tensors) if echo else a for a, b in zip(answers, batches, strict=True)]

    def fresh(self) -> None:
        """Go on as before: there is nothing that it could remember."""


def _dpo(batch: PairBatch) -> Answer:
    pc, pr, rc, rr = batch.tensors[:4]
    x = batch.beta * ((pc - pr) - (rc - rr))
    slope = -1.0 / (1.0 + np.exp(x))
    gradient = (slope * (batch.beta / batch.pairs)).astype(pc.dtype)
    values = np.logaddexp(0.0, -x).astype(pc.dtype)
    return Answer((batch.pairs,), pc.dtype, values, (gradient, -gradient), detached=False)


def _cross_entropy(batch: LabelledBatch) -> Answer:
    logits = batch.logits.astype(np.float64)
    right = (np.arange(batch.examples), batch.targets)
    scaled = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = scaled / scaled.sum(axis=1, keepdims=True)
    values = np.log(scaled.sum(axis=1)) + logits.max(axis=1) - logits[right]
    shares[right] -= 1.0
    gradient = (shares / batch.examples).astype(batch.dtype)
    return Answer((batch.examples,), batch.dtype, values.astype(batch.dtype), (gradient,), detached=False)


def _multiway(batch: ListBatch) -> Answer:
    rewards, scores = batch.beta * batch.logratios, batch.scores.astype(np.float64)
    margins = rewards[:, :, None] - rewards[:, None]
    weights = np.maximum(scores[:, :, None] - scores[:, None], 0.0)
    weights /= np.maximum(weights.sum(axis=(1, 2), keepdims=True), 1e-6)
    values = (weights * np.logaddexp(0.0, -margins)).sum(axis=(1, 2))
    pulls = -weights * batch.beta / (1.0 + np.exp(margins)) / batch.rows
    gradient = (pulls.sum(axis=2) - pulls.sum(axis=1)).astype(batch.dtype)
    return Answer((batch.rows,), batch.dtype, values.astype(batch.dtype), (gradient,), detached=False)


#: A loss of each contract that passes every property.
_FORMULAS: dict[str, Callable[[Any], Answer]] = {
    PREFERENCE.name: _dpo,
    CLASSIFICATION.name: _cross_entropy,
    LISTS.name: _multiway,
}


def reference_for(profile: Profile, *, stopping: Callable[[], bool] = lambda: False) -> Subject:
    """A loss that passes every property of a profile."""
    formula = _FORMULAS[profile.contract]
    return subject_on(ReferenceOracle(stopping=stopping, formula=formula), profile)
