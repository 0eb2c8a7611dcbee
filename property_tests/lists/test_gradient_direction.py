"""P518: the gradients lead to the order of the scores, and are of a size that training can use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.slopes import climb_towards_wrong
from harness.property_tests.common.strategies import fit_reach, seeds
from harness.property_tests.lists.strategies import every_shape, free_counts, in_order

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P518",
    name="lists-gradient-direction",
    severity=Severity.ERROR,
    summary="From the right order to the opposite one the gradients climb, by as much as training can use.",
    why=(
        "Values are what is compared, gradients are what trains. A loss whose values are right and whose gradients "
        "push the other way, are next to nothing, or enormous teaches nothing, or the worst answers."
    ),
    fix="Let autograd differentiate the values; look for a custom backward, a detach, a sign or a factor.",
    before="return (2 * good).detach() - good",
    after="return good",
    introduced_in="lists-2026.1",
)

#: By how much of the largest gradient the answers between best and worst may be pushed against their order.
SLIGHT = 1e-3


@settings(max_examples=24)
@given(
    spread=st.sampled_from((4.0, 1.0, 2.0, 8.0, 20.0, 50.0)).map(fit_reach),
    count=free_counts,
    seed=seeds,
    size=st.sampled_from((8, 1, 2, 64, 256)),
)
def test_gradients_climb_towards_wrong(candidate: ListSubject, spread: float, count: int, seed: int, size: int) -> None:
    """From the order of the scores to the opposite one, straight; asked in float32."""
    right, wrong = in_order(candidate, size, count, seed, spread=spread)
    way = wrong.policy_logps.astype(np.float64) - right.policy_logps
    route = "the order of the scores to the opposite one"
    climb_towards_wrong(candidate, RULE, right, way, spread, route=route, by=f", over {spread:g} / beta,")


def test_gradients_push_the_best_in_every_shape(candidate: ListSubject) -> None:
    """Every number of lists and of answers, where policy and reference are equal: no shape to be turned in."""
    rights = [right for right, _ in every_shape(candidate, spread=1.0)]
    asked = [replace(right, policy_logps=right.reference_logps) for right in rights]
    for right, batch, answer in zip(rights, asked, candidate.answers(asked), strict=True):
        push = -float((answer.gradient * right.logratios).sum()) * batch.beta
        if answer.finite_gradients and not push > 0.0:
            message = "where policy and reference are equal a step down the gradient turns the order of scores round"
            raise candidate.broken(RULE, message, batch, push=push)
        pulls = np.take_along_axis(answer.gradient, np.argsort(-batch.scores, axis=1), axis=1).sum(axis=0)
        inner = pulls[1:-1]
        between = float(inner @ (np.arange(inner.size) - (inner.size - 1) / 2.0))
        if between < -SLIGHT * float(np.abs(pulls).max()):
            message = "where policy and reference are equal, of the answers in between the worse ones are raised"
            raise candidate.broken(RULE, message, batch, between=between)
