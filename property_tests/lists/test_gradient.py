"""P506: the gradients are the slopes of the values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.slopes import match_differences, precisions_agree
from harness.property_tests.common.strategies import free_sizes, seeds
from harness.property_tests.lists.strategies import free_counts, ranked

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P506",
    name="lists-gradient-matches-values",
    severity=Severity.ERROR,
    summary="The gradients agree with finite differences of the values, in float64 and in float32.",
    why=(
        "A loss is what it answers, and the answer has two halves: the values that are judged and the gradients "
        "that train. With detach, rounding or a custom backward the two are different functions."
    ),
    fix="Remove detach, rounding and custom backward passes, and let autograd differentiate the values.",
    before="weights = torch.softmax(rewards.detach(), dim=1)",
    after="weights = torch.softmax(rewards, dim=1)",
    introduced_in="lists-2026.1",
)

#: For a list, what is smaller is the rest of a subtraction: a probability of nearly one, less one.
NEGLIGIBLE = 1e-2


@settings(max_examples=16)
@given(size=free_sizes, count=free_counts, seed=seeds, reach=st.sampled_from((4.0, 1.0, 16.0)))
def test_gradients_match_differences(candidate: ListSubject, size: int, count: int, seed: int, reach: float) -> None:
    """Batches of several sizes along three directions: of all answers, of the best ones, of the others."""
    draw = np.random.Generator(np.random.PCG64([seed, 92]))
    batches = [
        ranked(candidate, n, count, seed + n, reach=reach, grid=False, dtype=np.float64) for n in (1, 3, size, 40)
    ]
    ways: list[list[list[np.ndarray]]] = []
    for batch in batches:
        shape = batch.policy_logps.shape
        way = draw.uniform(0.5, 1.0, size=shape) * draw.choice([-1.0, 1.0], size=shape)
        best = np.arange(count)[None] == batch.scores.argmax(axis=1)[:, None]
        ways.append([[way], [way * best], [way * ~best]])
    match_differences(candidate, RULE, batches, ways)


@given(size=free_sizes, count=free_counts, seed=seeds, reach=st.sampled_from((4.0, 20.0)))
def test_float32_and_float64_agree(candidate: ListSubject, size: int, count: int, seed: int, reach: float) -> None:
    """The same numbers in both precisions: a loss that is honest in one of them only is caught here."""
    # On no grid: there the margins of a hinge lie on its kink itself, and either side of it is right.
    single = ranked(candidate, size, count, seed, reach=reach, grid=False)
    precisions_agree(candidate, RULE, single, negligible=NEGLIGIBLE * single.beta / single.rows, undefined=True)
