"""P501: one value for each list, or one for the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given

from harness.property_tests.common.rows import one_kind
from harness.property_tests.common.strategies import SIZES, seeds
from harness.property_tests.lists.strategies import ANSWERS, counts, ranked
from harness.subject.lists.rules import SHAPE as RULE

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

__all__ = ["RULE"]

#: Sizes and numbers of answers, so that no size is a good place to be different.
_LADDER = (*range(1, 41), 63, 64, 65, 127, 128, 129, 256)
_COUNTS = (*range(2, 18), 24, 32)


@given(count=counts, seed=seeds)
def test_shape_fits_every_batch_size(candidate: ListSubject, count: int, seed: int) -> None:
    """The shape is () for every size, or (B,) for every size B."""
    batches = [ranked(candidate, n, count, seed) for n in SIZES]
    one_kind(candidate, RULE, batches, candidate.answers(batches))


def test_shape_fits_any_batch_size(candidate: ListSubject) -> None:
    """The same, and no exception, over ladders of sizes and of answers in one request."""
    batches = [ranked(candidate, n, ANSWERS[n % len(ANSWERS)], n) for n in _LADDER]
    batches += [ranked(candidate, 5, count, count) for count in _COUNTS]
    one_kind(candidate, RULE, batches, candidate.answers(batches))
