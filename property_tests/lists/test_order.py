"""P508: the loss is lower where the policy ranks as the scores do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.strategies import free_sizes, seeds
from harness.property_tests.lists.strategies import counts, in_order

if TYPE_CHECKING:
    from harness.protocol.batch_types import ListBatch
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P508",
    name="lower-in-the-order-of-scores",
    severity=Severity.ERROR,
    summary="Log-ratios in the order of the scores cost less than turned round, or with best and worst exchanged.",
    why=(
        "Everything else about a loss can look right while it teaches the worst answers. Only clear cases are "
        "judged: how much a list in the right order is to be spread is the loss's own affair."
    ),
    fix="Check the sign: the loss falls as answers with high scores gain on those with low ones.",
    before="return (log_p * torch.softmax(scores, dim=1)).sum(dim=1)",
    after="return -(log_p * torch.softmax(scores, dim=1)).sum(dim=1)",
    introduced_in="lists-2026.1",
)


@given(spread=st.integers(1, 16).map(lambda k: k / 2), count=counts, size=free_sizes, seed=seeds)
def test_the_right_order_costs_less(candidate: ListSubject, spread: float, count: int, size: int, seed: int) -> None:
    """All lists, half of them, and one of them turned round; and best and worst exchanged in all."""
    right, wrong = in_order(candidate, size, count, seed, spread=spread, dtype=np.float64)
    half = np.arange(right.rows) % 2 == 0
    one = np.arange(right.rows) == seed % right.rows
    mixed = [
        replace(right, policy_logps=np.where(some[:, None], wrong.policy_logps, right.policy_logps))
        for some in (half, one)
    ]
    first, *others = candidate.alone([right, wrong, *mixed, _exchanged(right)])
    what = ("all lists", "half of the lists", "one list")
    for other, which in zip(
        others, (*(f"{w} the other way round" for w in what), "best and worst exchanged"), strict=True
    ):
        if first.finite_values and other.finite_values and not first.mean < other.mean:
            message = f"the loss is {first.mean:.6g} where log-ratios have the order of the scores, spread over"
            message += f" {spread:g} / beta, and {other.mean:.6g} with {which}"
            raise candidate.broken(RULE, message, right, right=first.mean, wrong=other.mean)


def _exchanged(batch: ListBatch) -> ListBatch:
    """The log-ratios of the best and of the worst answer exchanged in every list."""
    row, ratios = np.arange(batch.rows), batch.logratios
    best, worst = batch.scores.argmax(axis=1), batch.scores.argmin(axis=1)
    ratios[row, best], ratios[row, worst] = ratios[row, worst], ratios[row, best]
    return replace(batch, policy_logps=batch.reference_logps + ratios)
