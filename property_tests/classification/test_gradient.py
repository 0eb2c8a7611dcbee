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
from harness.property_tests.editions import since, until

if TYPE_CHECKING:
    from harness.subject.classification.batch import Labelled, Marks
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

#: Steps of the finite differences, and the relative difference that counts as a mismatch.
STEPS = (1e-4, 1e-5)
TOLERANCE = 1e-3
#: For an example, what is smaller is the rest of a subtraction: a probability of nearly one, less one.
NEGLIGIBLE = 1e-2


def _noise(base: Marks) -> float:
    """A slope that rounding alone could fake: differences of values of this size over the smaller step."""
    return max(abs(base.mean), 1.0) * 1e-15 / STEPS[1] * 1e3


@given(
    size=st.sampled_from((1, 3, 8, 40)),
    count=free_classes,
    seed=seeds,
    reach=st.sampled_from((1.0, 4.0, 16.0)),
    one=st.booleans(),
)
def test_gradients_match_differences(
    oracle: Classifier,
    size: int,
    count: int,
    seed: int,
    reach: float,
    one: bool,  # noqa: FBT001 - drawn
) -> None:
    """Directional derivatives along random directions, of all logits or of the right classes' alone."""
    batch = labelled(oracle, size, count, seed, reach=reach, grid=0, dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64([seed, 72]))
    way = draw.uniform(0.5, 1.0, size=batch.logits.shape) * draw.choice([-1.0, 1.0], size=batch.logits.shape)
    if one:
        way *= np.arange(count)[None] == batch.targets[:, None]
    moved = [batch.moved(sign * step * way) for step in STEPS for sign in (1.0, -1.0)]
    (base,), others = oracle.marks([batch], alone=True), oracle.marks(moved)
    given_slope = float((base.gradient * way).sum())
    slopes = [(others[2 * i].mean - others[2 * i + 1].mean) / (2 * step) for i, step in enumerate(STEPS)]
    scale = max(abs(given_slope), *(abs(s) for s in slopes), _noise(base))
    if not np.isfinite(scale):
        return  # another rule's finding
    settled = abs(slopes[0] - slopes[1]) <= 0.1 * TOLERANCE * scale
    if settled and abs(slopes[1] - given_slope) > TOLERANCE * scale:
        message = f"the gradient says {given_slope:.6g} where the values' slope is {slopes[1]:.6g}"
        raise oracle.wrong(RULE, message, batch, gradient=given_slope, finite_difference=slopes[1])


#: Of the comparisons in one example, this share has to come out: a loss that keeps its slope from being found hides it.
ENOUGH = 0.75


@since("2026.2")
@settings(max_examples=16)
@given(count=free_classes, seed=seeds)
def test_gradients_match_differences_in_training(oracle: Classifier, count: int, seed: int) -> None:
    """Confident networks and others, three directions each; comparisons that cannot be made are counted."""
    draw = np.random.Generator(np.random.PCG64([seed, 76]))
    batches = [make(oracle, n, count, seed + n, dtype=np.float64) for n in (1, 8, 40) for make in (_plain, confident)]
    ways: list[np.ndarray] = []
    moved = []
    for batch in batches:
        way = draw.uniform(0.5, 1.0, size=batch.logits.shape) * draw.choice([-1.0, 1.0], size=batch.logits.shape)
        right = np.arange(count)[None] == batch.targets[:, None]
        ways += [way, way * right, way * ~right]
        moved += [batch.moved(sign * step * w) for w in ways[-3:] for step in STEPS for sign in (1.0, -1.0)]
    bases, others = oracle.marks(batches, alone=True), oracle.marks(moved)
    made = 0
    for place, way in enumerate(ways):
        batch, base, four = batches[place // 3], bases[place // 3], others[4 * place : 4 * place + 4]
        given_slope = float((base.gradient * way).sum())
        slopes = [(four[2 * i].mean - four[2 * i + 1].mean) / (2 * step) for i, step in enumerate(STEPS)]
        scale = max(abs(given_slope), *(abs(s) for s in slopes), _noise(base))
        if not np.isfinite(scale):
            made += 1  # another rule's finding
            continue
        settled = abs(slopes[0] - slopes[1]) <= 0.1 * TOLERANCE * scale
        made += settled
        if settled and abs(slopes[1] - given_slope) > TOLERANCE * scale:
            message = f"the gradient says {given_slope:.6g} where the values' slope is {slopes[1]:.6g}"
            raise oracle.wrong(RULE, message, batch, gradient=given_slope, finite_difference=slopes[1])
    if made < ENOUGH * len(ways):
        message = "the values jitter so much that their slope cannot be found"
        message += f": {made} of {len(ways)} comparisons came out"
        raise oracle.wrong(RULE, message, batches[0], made=made, wanted=len(ways))


def _plain(oracle: Classifier, examples: int, count: int, seed: int, *, dtype: type[np.floating]) -> Labelled:
    return labelled(oracle, examples, count, seed, grid=0, dtype=dtype)


@settings(max_examples=8)
@given(count=classes, seed=seeds)
def test_values_are_smooth_enough_to_verify(oracle: Classifier, count: int, seed: int) -> None:
    """Most finite differences settle: a loss whose values jitter would hide any gradient."""
    starts = [
        labelled(oracle, n, count, seed + place, grid=0, dtype=np.float64) for place, n in enumerate((1, 1, 3, 3, 8, 8))
    ]
    moved = []
    for batch in starts:
        way = np.random.Generator(np.random.PCG64([seed, 73])).uniform(0.5, 1.0, size=batch.logits.shape)
        moved += [batch.moved(sign * step * way) for step in STEPS for sign in (1.0, -1.0)]
    marks = oracle.marks(starts + moved)
    settled = 0
    for i, base in enumerate(marks[: len(starts)]):
        four = marks[len(starts) + 4 * i : len(starts) + 4 * i + 4]
        first, second = ((four[2 * k].mean - four[2 * k + 1].mean) / (2 * step) for k, step in enumerate(STEPS))
        scale = max(abs(first), abs(second), _noise(base))
        settled += bool(not np.isfinite(scale) or abs(first - second) <= 0.01 * scale)
    if settled < len(starts) / 2:
        raise oracle.wrong(RULE, "the values jitter so much that their slope cannot be found", starts[0])


@given(size=free_sizes, count=free_classes, seed=seeds, reach=st.sampled_from((4.0, 20.0)))
def test_float32_and_float64_agree(oracle: Classifier, size: int, count: int, seed: int, reach: float) -> None:
    """The same numbers in both precisions: a loss that is honest in one of them only is caught here."""
    single = labelled(oracle, size, count, seed, reach=reach, grid=0)
    low, high = oracle.marks([single, single.astype(np.float64)])
    for name, one, other in (("values", low.values, high.values), ("gradients", low.gradient, high.gradient)):
        scale = max(float(np.abs(other).max()), NEGLIGIBLE / single.examples)
        error = float(np.abs(one.astype(np.float64) - other).max())
        if np.isfinite(scale) and error > 20 * TOLERANCE * scale:
            message = f"its {name} in float32 and in float64 differ by {error:.3g} (of {scale:.3g})"
            raise oracle.wrong(RULE, message, single)


# What came before, as it was: the tests above take its place.
for _old in (test_gradients_match_differences, test_values_are_smooth_enough_to_verify):
    until("2026.1")(_old)
