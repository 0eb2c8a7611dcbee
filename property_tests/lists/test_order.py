"""P508: the loss is lower where the policy ranks as the scores do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.strategies import free_sizes, seeds
from harness.property_tests.lists.strategies import counts, every_shape, in_order

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

#: Spreads, in units of 1 / beta; the domain's reach ends them.
_SPREADS = range(1, 51)


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


def test_the_right_order_costs_less_in_every_shape(candidate: ListSubject) -> None:
    """Every number of lists and of answers, all lists turned round: no shape to be turned in."""
    _costs_less(candidate, list(every_shape(candidate, spread=2.0)), "every number of lists and answers")


def test_the_right_order_costs_less_at_every_spread(candidate: ListSubject) -> None:
    """Two answers and three, so that no other pair makes up for one, up to the end of the domain."""
    asked = [
        in_order(candidate, 4, count, spread, spread=spread, dtype=np.float64)
        for count in (2, 3)
        for spread in _SPREADS
    ]
    _costs_less(candidate, asked, "all of the domain's spreads")


@settings(max_examples=10)
@given(count=counts, size=free_sizes, seed=seeds)
def test_the_reference_counts_against_the_policy(candidate: ListSubject, count: int, size: int, seed: int) -> None:
    """The policy is level, and the reference alone has an order: one that has that of the scores costs no less."""
    right, wrong = in_order(candidate, size, count, seed, spread=2.0, dtype=np.float64)
    level = np.repeat(right.reference_logps[:, :1], count, axis=1)
    low, high = (replace(b, policy_logps=level, reference_logps=level - b.logratios) for b in (right, wrong))
    first, other = candidate.answers([low, high])
    if first.finite_values and other.finite_values and not first.mean <= other.mean:
        message = f"the loss is {first.mean:.6g} where only the reference differs, and against the scores, and"
        message += f" {other.mean:.6g} where it has their order: it enters with the policy's sign"
        raise candidate.broken(RULE, message, low, against=first.mean, along=other.mean)


def _costs_less(candidate: ListSubject, asked: list[tuple[ListBatch, ListBatch]], among: str) -> None:
    """The first batch of each two costs less than the second."""
    answers = candidate.answers([batch for both in asked for batch in both])
    for (right, _), first, other in zip(asked, answers[::2], answers[1::2], strict=True):
        if first.finite_values and other.finite_values and not first.mean < other.mean:
            spread = right.beta * float(np.ptp(right.logratios[0]))
            message = f"the loss is {first.mean:.6g} where log-ratios have the order of the scores, spread over"
            message += f" {spread:.3g} / beta, and {other.mean:.6g} with all lists the other way round, in {among}"
            raise candidate.broken(RULE, message, right, right=first.mean, wrong=other.mean)


def _exchanged(batch: ListBatch) -> ListBatch:
    """The log-ratios of the best and of the worst answer exchanged in every list."""
    row, ratios = np.arange(batch.rows), batch.logratios
    best, worst = batch.scores.argmax(axis=1), batch.scores.argmin(axis=1)
    ratios[row, best], ratios[row, worst] = ratios[row, worst], ratios[row, best]
    return replace(batch, policy_logps=batch.reference_logps + ratios)
