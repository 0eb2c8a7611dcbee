"""P301: one value for each pair, or one for the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings

from harness.property_tests.common.rows import one_kind
from harness.property_tests.common.strategies import SIZES, betas, fit_reach, seeds
from harness.subject.batches import batch_of, natural
from harness.subject.rules import SHAPE as RULE

if TYPE_CHECKING:
    from harness.subject.preference import PreferenceSubject


@settings(max_examples=10)
@given(beta=betas, seed=seeds)
def test_shape_fits_every_batch_size(candidate: PreferenceSubject, beta: float, seed: int) -> None:
    """The shape is () for every size, or (B,) for every size B."""
    batches = [batch_of([0.5 * ((i * 7) % 11 - 5) for i in range(n)], beta, seed=seed) for n in SIZES]
    one_kind(candidate, RULE, batches, candidate.answers(batches))


#: Every size up to a hundred and some beyond, so that no size is a good place to be different.
_LADDER = (*range(1, 101), 127, 128, 129, 192, 256, 320, 512)


def test_shape_fits_any_batch_size(candidate: PreferenceSubject) -> None:
    """The same, and no exception, over a ladder of sizes in one request."""
    sizes, reach = [n for n in _LADDER if n >= candidate.smallest_batch], fit_reach(3.0)
    batches = [
        natural(np.linspace(-reach, reach, n), candidate.domain.usual, seed=n, progress=round(n / 512, 6))
        for n in sizes
    ]
    one_kind(candidate, RULE, batches, candidate.answers(batches))
