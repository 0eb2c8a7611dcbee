"""What several properties share: looking for answers that are not finite, and naming the example at fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.protocol.batch import Complaint
from harness.subject.classification.batch import Marks

if TYPE_CHECKING:
    from harness.core.rules import Rule
    from harness.subject.classification.batch import Labelled
    from harness.subject.classification.classifier import Classifier


def report_not_finite(oracle: Classifier, rule: Rule, batches: list[Labelled], *kinds: bool) -> None:
    """Ask for the batches; raise where an answer is not finite.

    `kinds` says what is judged, in order: False for values, True for gradients. Where gradients alone are judged, a
    value that is not finite is left to the rule about values.
    """
    for batch, marks in zip(batches, oracle.marks(batches), strict=True):
        for gradients in kinds:
            if _fine(marks, gradients=gradients) or (gradients and not marks.finite_values):
                continue
            small, seen = _smallest(oracle, batch, marks, gradients=gradients)
            numbers = seen.gradient if gradients else seen.values
            what = "a gradient" if gradients else "the value"
            where = f"logits {_shown(small)} and target {small.targets[0]}" if small.examples == 1 else "a batch"
            raise oracle.wrong(rule, f"{what} is {_word(numbers)} for {where}", small)


def _smallest(oracle: Classifier, batch: Labelled, marks: Marks, *, gradients: bool) -> tuple[Labelled, Marks]:
    """The example that fails by itself and has the smallest logits; the whole batch where none does."""
    if oracle.smallest_batch == 1:
        order = np.argsort(np.abs(batch.logits).max(axis=1), kind="stable")
        alone = [batch.take([int(i)]) for i in order]
        for single, answer in zip(alone, oracle.ask([one.pairs for one in alone]), strict=True):
            got = None if isinstance(answer, Complaint) else Marks.of_answer(answer, single)
            if got is not None and not _fine(got, gradients=gradients):
                return single, got
    return batch, marks


def _fine(marks: Marks, *, gradients: bool) -> bool:
    return marks.finite_gradient if gradients else marks.finite_values


def _word(numbers: np.ndarray) -> str:
    bad = numbers[~np.isfinite(numbers)]
    if np.isnan(bad).any():
        return "NaN"
    return "Infinity" if bad.reshape(-1)[0] > 0 else "-Infinity"


def _shown(batch: Labelled) -> str:
    row = [f"{float(x):g}" for x in batch.logits[0]]
    return f"({', '.join(row[:6])}{', ...' if len(row) > 6 else ''})"
