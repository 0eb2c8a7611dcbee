"""P401: one value for each example, or one for the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings

from harness.core.errors import CandidateFault
from harness.property_tests.classification.strategies import CLASSES, SIZES, classes, labelled, seeds
from harness.subject.classification.rules import SHAPE as RULE

if TYPE_CHECKING:
    from harness.core.verdict import Json
    from harness.subject.classification.batch import Labelled, Marks
    from harness.subject.classification.classifier import Classifier


#: Sizes and numbers of classes, so that no size is a good place to be different.
_LADDER = (*range(1, 41), 63, 64, 65, 127, 128, 129, 256)
_COUNTS = (*range(2, 14), 37, 100)


@settings(max_examples=10)
@given(count=classes, seed=seeds)
def test_shape_fits_every_batch_size(oracle: Classifier, count: int, seed: int) -> None:
    """The shape is () for every size, or (N,) for every size N."""
    batches = [labelled(oracle, n, count, seed) for n in SIZES]
    _one_kind(batches, oracle.marks(batches))


def test_shape_fits_any_batch_size(oracle: Classifier) -> None:
    """The same, and no exception, over ladders of sizes and of classes in one request."""
    batches = [labelled(oracle, n, CLASSES[n % len(CLASSES)], n) for n in _LADDER]
    batches += [labelled(oracle, 5, count, count) for count in _COUNTS]
    _one_kind(batches, oracle.marks(batches))


def _one_kind(batches: list[Labelled], marks: list[Marks]) -> None:
    """Either all scalars or all one value for each example; other shapes never come this far."""
    if len({m.reduced for m in marks}) > 1:
        shapes: dict[str, Json] = {
            f"{b.examples} x {b.classes}": [] if m.reduced else [b.examples]
            for b, m in zip(batches, marks, strict=True)
        }
        message = "it returns a scalar for some batch sizes and one value for each example for others"
        raise CandidateFault(RULE.finding(message, counterexample={"shape_by_batch_size": shapes}))
