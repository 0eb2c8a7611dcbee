"""P406: the gradients are the slopes of the values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import (
    classes,
    confident,
    free_classes,
    free_sizes,
    labelled,
    seeds,
)
from harness.property_tests.common.slopes import match_differences, precisions_agree, smooth_enough
from harness.property_tests.editions import since, until

if TYPE_CHECKING:
    from harness.protocol.batch_types import LabelledBatch
    from harness.subject.classification.classifier import Classifier

RULE = Rule(
    id="P406",
    name="labelled-gradient-matches-values",
    severity=Severity.ERROR,
    summary="The gradients agree with finite differences of the values, in float64 and in float32.",
    why=(
        "A loss is what it answers, and the answer has two halves: the values that are judged and the gradients "
        "that train. With detach, rounding or a custom backward the two are different functions."
    ),
    fix="Remove detach, rounding and custom backward passes, and let autograd differentiate the values.",
    before="weight = (1 - probability.detach()) ** 2",
    after="weight = (1 - probability) ** 2",
    introduced_in="classification-2026.1",
)

#: For an example, what is smaller is the rest of a subtraction: a probability of nearly one, less one.
NEGLIGIBLE = 1e-2


@until("2026.1")
@given(
    size=st.sampled_from((1, 3, 8, 40)),
    count=free_classes,
    seed=seeds,
    reach=st.sampled_from((1.0, 4.0, 16.0)),
    one=st.booleans(),
)
def test_gradients_match_differences(
    candidate: Classifier,
    size: int,
    count: int,
    seed: int,
    reach: float,
    one: bool,  # noqa: FBT001 - drawn
) -> None:
    """Directional derivatives along random directions, of all logits or of the right classes' alone."""
    batch = labelled(candidate, size, count, seed, reach=reach, grid=0, dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64([seed, 72]))
    way = draw.uniform(0.5, 1.0, size=batch.logits.shape) * draw.choice([-1.0, 1.0], size=batch.logits.shape)
    if one:
        way *= np.arange(count)[None] == batch.targets[:, None]
    match_differences(candidate, RULE, [batch], [[[way]]], enough=0.0)


@since("2026.2")
@settings(max_examples=16)
@given(count=free_classes, seed=seeds)
def test_gradients_match_differences_in_training(candidate: Classifier, count: int, seed: int) -> None:
    """Confident networks and others, three directions each; comparisons that cannot be made are counted."""
    draw = np.random.Generator(np.random.PCG64([seed, 76]))
    batches = [
        make(candidate, n, count, seed + n, dtype=np.float64) for n in (1, 8, 40) for make in (_plain, confident)
    ]
    ways: list[list[list[np.ndarray]]] = []
    for batch in batches:
        way = draw.uniform(0.5, 1.0, size=batch.logits.shape) * draw.choice([-1.0, 1.0], size=batch.logits.shape)
        right = np.arange(count)[None] == batch.targets[:, None]
        ways.append([[way], [way * right], [way * ~right]])
    match_differences(candidate, RULE, batches, ways)


def _plain(candidate: Classifier, examples: int, count: int, seed: int, *, dtype: type[np.floating]) -> LabelledBatch:
    return labelled(candidate, examples, count, seed, grid=0, dtype=dtype)


@until("2026.1")
@settings(max_examples=8)
@given(count=classes, seed=seeds)
def test_values_are_smooth_enough_to_verify(candidate: Classifier, count: int, seed: int) -> None:
    """Most finite differences settle: a loss whose values jitter would hide any gradient."""
    starts = [
        labelled(candidate, n, count, seed + place, grid=0, dtype=np.float64)
        for place, n in enumerate((1, 1, 3, 3, 8, 8))
    ]
    ways = [[np.random.Generator(np.random.PCG64([seed, 73])).uniform(0.5, 1.0, size=b.logits.shape)] for b in starts]
    smooth_enough(candidate, RULE, starts, ways)


@given(size=free_sizes, count=free_classes, seed=seeds, reach=st.sampled_from((4.0, 20.0)))
def test_float32_and_float64_agree(candidate: Classifier, size: int, count: int, seed: int, reach: float) -> None:
    """The same numbers in both precisions: a loss that is honest in one of them only is caught here."""
    single = labelled(candidate, size, count, seed, reach=reach, grid=0)
    precisions_agree(candidate, RULE, single, negligible=NEGLIGIBLE / single.examples)
