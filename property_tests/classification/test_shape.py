"""P401: one value for each example, or one for the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings

from harness.property_tests.classification.strategies import CLASSES, SIZES, classes, labelled, seeds
from harness.property_tests.common.rows import one_kind
from harness.subject.classification.rules import SHAPE as RULE

if TYPE_CHECKING:
    from harness.subject.classification.classifier import Classifier


#: Sizes and numbers of classes, so that no size is a good place to be different.
_LADDER = (*range(1, 41), 63, 64, 65, 127, 128, 129, 256)
_COUNTS = (*range(2, 14), 37, 100)


@settings(max_examples=10)
@given(count=classes, seed=seeds)
def test_shape_fits_every_batch_size(candidate: Classifier, count: int, seed: int) -> None:
    """The shape is () for every size, or (N,) for every size N."""
    batches = [labelled(candidate, n, count, seed) for n in SIZES]
    one_kind(candidate, RULE, batches, candidate.answers(batches))


def test_shape_fits_any_batch_size(candidate: Classifier) -> None:
    """The same, and no exception, over ladders of sizes and of classes in one request."""
    batches = [labelled(candidate, n, CLASSES[n % len(CLASSES)], n) for n in _LADDER]
    batches += [labelled(candidate, 5, count, count) for count in _COUNTS]
    one_kind(candidate, RULE, batches, candidate.answers(batches))
