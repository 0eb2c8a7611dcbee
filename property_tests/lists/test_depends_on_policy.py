"""P507: the loss depends on the best and on the worst answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.strategies import free_sizes, seeds
from harness.property_tests.lists.strategies import counts, in_order

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P507",
    name="depends-on-policy-logps",
    severity=Severity.ERROR,
    summary="Value and gradient depend on the log-probability of the best answer and on that of the worst.",
    why=(
        "A constant trains nothing, and neither does a count of inversions: a rank has no gradient. A loss of the "
        "best answer alone is supervised fine-tuning and has no use for the rest of the list."
    ),
    fix="Use all answers, and keep them attached to the graph; replace sort and argmax by softmax or by pairs.",
    before="return (rewards.argsort(dim=1) != scores.argsort(dim=1)).float().sum(dim=1)",
    after="return -(torch.softmax(scores, dim=1) * F.log_softmax(rewards, dim=1)).sum(dim=1)",
    introduced_in="lists-2026.1",
)

#: A side whose gradient is this much smaller than the other's is not trained on.
NEGLIGIBLE = 1e-6


@settings(max_examples=15)
@given(size=free_sizes, count=counts, seed=seeds)
def test_depends_on_best_and_worst(candidate: ListSubject, size: int, count: int, seed: int) -> None:
    """Over lists in the wrong order, which content no loss, either side has a gradient, and moves a value."""
    _, batch = in_order(candidate, max(size, 8), count, seed, spread=2.0, dtype=np.float64)
    place = np.arange(count)[None]
    best = place == batch.scores.argmax(axis=1)[:, None]
    worst = place == batch.scores.argmin(axis=1)[:, None]
    step = 0.25 / batch.beta
    base, *moved = candidate.answers([batch, batch.moved(-step * best), batch.moved(-step * worst)])
    if base.detached:
        raise candidate.broken(RULE, "it does not depend on the policy at all", batch)
    largest = np.abs(base.gradient).max(initial=0.0)
    for name, side, other in (("best", best, moved[0]), ("worst", worst, moved[1])):
        if base.finite_gradients and not (np.abs(base.gradient[side]) > NEGLIGIBLE * largest).any():
            raise candidate.broken(RULE, f"no list has a gradient with respect to its {name} answer", batch)
        if base.finite_values and np.array_equal(base.values, other.values):
            raise candidate.broken(RULE, f"moving the {name} answers changes no value", batch)
