"""P301: one value for each pair, or one for the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings

from harness.core.errors import CandidateFault
from harness.property_tests.strategies import SIZES, betas, fit_reach, seeds
from harness.subject.batches import batch_of, natural
from harness.subject.rules import SHAPE as RULE

if TYPE_CHECKING:
    from harness.core.verdict import Json
    from harness.protocol.batch import Answer, Batch
    from harness.subject.subject import Subject


@settings(max_examples=10)
@given(beta=betas, seed=seeds)
def test_shape_fits_every_batch_size(oracle: Subject, beta: float, seed: int) -> None:
    """The shape is () for every size, or (B,) for every size B."""
    batches = [batch_of([0.5 * ((i * 7) % 11 - 5) for i in range(n)], beta, seed=seed) for n in SIZES]
    answers = oracle.answers(batches)
    _one_kind(batches, answers)


#: Every size up to a hundred and some beyond, so that no size is a good place to be different.
_LADDER = (*range(1, 101), 127, 128, 129, 192, 256, 320, 512)


def test_shape_fits_any_batch_size(oracle: Subject) -> None:
    """The same, and no exception, over a ladder of sizes in one request."""
    sizes, reach = [n for n in _LADDER if n >= oracle.smallest_batch], fit_reach(3.0)
    batches = [
        natural(np.linspace(-reach, reach, n), oracle.domain.usual, seed=n, progress=round(n / 512, 6)) for n in sizes
    ]
    _one_kind(batches, oracle.answers(batches))


def _one_kind(batches: list[Batch], answers: list[Answer]) -> None:
    """Either all scalars or all one value for each pair; other shapes never come this far."""
    shapes: dict[str, Json] = {str(b.pairs): list(a.shape) for b, a in zip(batches, answers, strict=True)}
    odd = [b for b, a in zip(batches, answers, strict=True) if len(a.shape) != len(answers[0].shape)]
    if odd:
        message = "it returns a scalar for some batch sizes and one value for each pair for others"
        shown = {**odd[0].as_counterexample(), "shape_by_batch_size": shapes}
        raise CandidateFault(RULE.finding(message, counterexample=shown))
