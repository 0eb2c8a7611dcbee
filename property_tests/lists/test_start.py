"""P504: the loss teaches something from the start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.strategies import seeds
from harness.property_tests.lists.strategies import counts, in_order

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P504",
    name="lists-start",
    severity=Severity.ERROR,
    summary="Where policy and reference are equal, a step down the gradient raises the best answer above the worst.",
    why=(
        "Training starts from the reference model, so every log-ratio is zero. A loss that is flat there never "
        "begins, and one that is steep the other way begins with unlearning."
    ),
    fix="Give the loss a slope where all log-ratios are equal, downwards for the answers with the highest scores.",
    before="return (rewards * scores).sum(dim=1) ** 2",
    after="return -(rewards * weights).sum(dim=1)",
    introduced_in="lists-2026.1",
)

#: The slope of one list's value: below this Adam's own epsilon drowns it, above that its square leaves float32.
LEAST, MOST = 1e-7, 1e6


@settings(max_examples=15)
@given(count=counts, seed=seeds, near=st.sampled_from((0.0, 0.01)))
def test_first_step_goes_to_the_best(candidate: ListSubject, count: int, seed: int, near: float) -> None:
    """Summed over a batch, the best answers rise against the worst ones."""
    right, _ = in_order(candidate, 8, count, seed)
    batch = replace(right, policy_logps=(right.reference_logps + near * right.logratios).astype(np.float32))
    answer = candidate.answer(batch)
    if not answer.finite_gradients:
        return  # another rule's finding
    row, gradient = np.arange(batch.rows), answer.gradient.astype(np.float64)
    best, worst = batch.scores.argmax(axis=1), batch.scores.argmin(axis=1)
    push = float((gradient[row, worst] - gradient[row, best]).sum())
    if not push >= LEAST or push > MOST:
        how = "too steep" if push > MOST else "flat" if abs(push) < LEAST else "steep the wrong way"
        message = f"it is {how} where policy and reference are equal: the best answer is pushed up by {push:.3g}"
        raise candidate.broken(RULE, message, batch, push=push)
