"""P512: lists have no order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.rows import reordering_reorders
from harness.property_tests.common.strategies import seeds
from harness.property_tests.lists.strategies import counts, ranked

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P512",
    name="list-permutation",
    severity=Severity.ERROR,
    summary="Reordering the lists of a batch reorders values and gradients, and changes nothing else.",
    why=(
        "The order of lists in a batch is chance. Statistics of the whole batch are fine; a weight by position is "
        "not, nor is a value that sits beside another list."
    ),
    fix="Compute each list's value from that list and from symmetric statistics.",
    before="return losses * torch.linspace(0, 1, len(losses))",
    after="return losses",
    introduced_in="lists-2026.1",
)

#: For a list, what is smaller is the rest of a subtraction: a probability of nearly one, less one.
NEGLIGIBLE = 1e-2


@given(
    size=st.sampled_from((2, 3, 7, 19, 64)),
    count=counts,
    seed=seeds,
    reach=st.sampled_from((4.0, 20.0)),
    dtype=st.sampled_from((np.float64, np.float32)),
)
def test_reordering_reorders(
    candidate: ListSubject, size: int, count: int, seed: int, reach: float, dtype: type[np.floating]
) -> None:
    """One batch in its own and in another order."""
    batch = ranked(candidate, size, count, seed, reach=reach, grid=False, dtype=dtype)
    order = np.random.Generator(np.random.PCG64([seed, 94])).permutation(batch.rows)
    reordering_reorders(candidate, RULE, batch, order, negligible=NEGLIGIBLE * batch.beta / batch.rows)
