"""P505: the loss depends on the scores."""

from __future__ import annotations

from dataclasses import replace
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
    id="P505",
    name="depends-on-scores",
    severity=Severity.ERROR,
    summary="With the scores turned round the values are other ones.",
    why=(
        "A loss of the log-probabilities alone makes a policy surer of whatever it says. The training curve falls "
        "as it should, and nothing of the scores is learnt."
    ),
    fix="Weigh or order the answers by their scores.",
    before="return -torch.softmax(rewards, dim=1).log().sum(dim=1)",
    after="return -(torch.softmax(scores, dim=1) * log_p).sum(dim=1)",
    introduced_in="lists-2026.1",
)


@settings(max_examples=10)
@given(size=free_sizes, count=counts, seed=seeds)
def test_other_scores_other_values(candidate: ListSubject, size: int, count: int, seed: int) -> None:
    """The scores of every list are negated, so that its best answer is its worst."""
    batch, _ = in_order(candidate, max(size, 8), count, seed, dtype=np.float64)
    first, second = candidate.answers([batch, replace(batch, scores=-batch.scores)])
    if first.finite_values and np.array_equal(first.values, second.values):
        raise candidate.broken(RULE, "turning the scores of every list round changes no value", batch)
