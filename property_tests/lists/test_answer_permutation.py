"""P513: answers of a list have no order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.rows import columns_have_no_order
from harness.property_tests.common.strategies import seeds
from harness.property_tests.lists.strategies import counts, ranked

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P513",
    name="answer-permutation",
    severity=Severity.ERROR,
    summary="With the answers of a list reordered, in all three tensors alike, values stay and gradients follow.",
    why=(
        "Which answer was drawn first is chance: only the scores say which is better. A loss that takes the first "
        "for the best, or weighs by place, is another loss on any other list."
    ),
    fix="Treat all columns alike: compare scores with scores. Places of argsort are chance where scores are equal.",
    before="return -F.logsigmoid(rewards[:, 0] - rewards[:, 1])",
    after="return -F.logsigmoid(margins)[scores.unsqueeze(2) > scores.unsqueeze(1)].mean()",
    introduced_in="lists-2026.1",
)

#: For a list, what is smaller is the rest of a subtraction: a probability of nearly one, less one.
NEGLIGIBLE = 1e-2


@given(
    size=st.sampled_from((1, 2, 7, 40)),
    count=counts,
    seed=seeds,
    reach=st.sampled_from((4.0, 20.0)),
    dtype=st.sampled_from((np.float64, np.float32)),
)
def test_reordering_answers_changes_nothing(
    candidate: ListSubject, size: int, count: int, seed: int, reach: float, dtype: type[np.floating]
) -> None:
    """The columns of all tensors are permuted together."""
    batch = ranked(candidate, size, count, seed, reach=reach, grid=False, dtype=dtype)
    order = np.roll(np.arange(count), 1)
    if seed % 2:
        order = np.random.Generator(np.random.PCG64([seed, 95])).permutation(count)
    other, negligible = batch.reordered(order), NEGLIGIBLE * batch.beta / batch.rows
    columns_have_no_order(
        candidate, RULE, batch, other, order, when="the answers of each list are reordered", negligible=negligible
    )
