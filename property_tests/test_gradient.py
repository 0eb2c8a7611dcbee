"""P306: the gradients are the slopes of the values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.batches import natural
from harness.rules import Rule
from harness.verdict import Severity
from property_tests.strategies import betas, free_betas, free_progresses, free_sizes, seeds

if TYPE_CHECKING:
    from harness.judge.subject import Subject
    from harness.oracle.batch import Answer, Batch

RULE = Rule(
    id="P306",
    name="gradient-matches-values",
    severity=Severity.ERROR,
    summary="The gradients agree with finite differences of the values, in float64 and in float32.",
    why=(
        "A loss is what it answers, and the answer has two halves: the values that are judged and the "
        "gradients that train. With detach, rounding or a custom backward the two are different functions, "
        "and nothing that is known of one holds for the other."
    ),
    fix="Remove detach, rounding and custom backward passes, and let autograd differentiate the values.",
    before="return good.detach() + bad - bad.detach()",
    after="return good",
)

#: Steps of the finite differences in nats, and the relative difference that counts as a mismatch.
STEPS = (1e-4, 1e-5)
TOLERANCE = 1e-3


def _slope(plus: Answer, minus: Answer, step: float) -> float:
    """Central difference of the mean value along a direction."""
    return (plus.mean - minus.mean) / (2 * step)


@given(
    size=st.sampled_from((1, 3, 8, 40, 130)),
    beta=free_betas,
    seed=seeds,
    reach=st.sampled_from((1.0, 4.0, 16.0, 45.0)),
    progress=free_progresses,
    both=st.booleans(),
)
def test_gradients_match_differences(
    oracle: Subject,
    size: int,
    beta: float,
    seed: int,
    reach: float,
    progress: float,
    both: bool,  # noqa: FBT001 - drawn
) -> None:
    """Directional derivatives along random directions, over chosen and rejected together or apart."""
    draw = np.random.Generator(np.random.PCG64(seed))
    pairs = oracle.size(size)
    # Off every grid, so that no kink or jump is hit exactly.
    x = draw.uniform(-reach, reach, size=pairs)
    batch = natural(x, beta, seed=seed, dtype=np.float64, progress=progress)
    chosen = draw.uniform(0.5, 1.0, size=pairs) * draw.choice([-1.0, 1.0], size=pairs)
    rejected = draw.uniform(0.5, 1.0, size=pairs) * draw.choice([-1.0, 1.0], size=pairs)
    directions = [(chosen, rejected)] if both else [(chosen, 0.0 * rejected), (0.0 * chosen, rejected)]
    for way in directions:
        moved = [batch.shifted(s * h * way[0], s * h * way[1]) for h in STEPS for s in (1.0, -1.0)]
        (base,), others = oracle.alone([batch]), oracle.answers(moved)
        given_slope = float(base.grad_chosen @ way[0] + base.grad_rejected @ way[1])
        slopes = [_slope(others[2 * i], others[2 * i + 1], h) for i, h in enumerate(STEPS)]
        scale = max(abs(given_slope), *(abs(s) for s in slopes), _noise(base))
        if not np.isfinite(scale) or scale == 0.0:
            continue  # another rule's finding, or flat on both accounts
        settled = abs(slopes[0] - slopes[1]) <= 0.1 * TOLERANCE * scale
        if settled and abs(slopes[1] - given_slope) > TOLERANCE * scale:
            message = f"the gradient says {given_slope:.6g} where the values' slope is {slopes[1]:.6g}"
            raise oracle.broken(RULE, message, batch, gradient=given_slope, finite_difference=slopes[1])


def _noise(base: Answer) -> float:
    """A slope that rounding alone could fake: differences of values of this size over the smaller step."""
    return max(abs(base.mean), 1.0) * 1e-15 / STEPS[1] * 1e3


@settings(max_examples=8)
@given(beta=betas, seed=seeds)
def test_values_are_smooth_enough_to_verify(oracle: Subject, beta: float, seed: int) -> None:
    """Most finite differences settle: a loss whose values jitter would hide any gradient."""
    draw = np.random.Generator(np.random.PCG64(seed))
    sizes = [oracle.size(n) for n in (1, 1, 3, 3, 8, 8)]
    starts = [natural(draw.uniform(-4, 4, size=n), beta, seed=seed + n, dtype=np.float64) for n in sizes]
    moved = [b.shifted(s * h, 0.0) for b in starts for h in STEPS for s in (1.0, -1.0)]
    answers = oracle.answers(starts + moved)
    settled = 0
    for i, base in enumerate(answers[: len(starts)]):
        four = answers[len(starts) + 4 * i : len(starts) + 4 * i + 4]
        first, second = _slope(four[0], four[1], STEPS[0]), _slope(four[2], four[3], STEPS[1])
        scale = max(abs(first), abs(second), _noise(base))
        settled += bool(not np.isfinite(scale) or abs(first - second) <= 0.01 * scale)
    if settled < len(starts) / 2:
        message = "the values jitter so much that their slope cannot be found"
        raise oracle.broken(RULE, message, starts[0])


@given(beta=free_betas, seed=seeds, reach=st.sampled_from((4.0, 20.0)), progress=free_progresses, size=free_sizes)
def test_float32_and_float64_agree(
    oracle: Subject, beta: float, seed: int, reach: float, progress: float, size: int
) -> None:
    """The same numbers in both precisions: a loss that is honest in one of them only is caught here."""
    draw = np.random.Generator(np.random.PCG64(seed))
    x = draw.uniform(-reach, reach, size=oracle.size(size))
    single = natural(x, beta, seed=seed, progress=progress)
    for name, low, high in _pairs_of_numbers(oracle, single):
        scale = max(float(np.abs(high).max()), 1e-6)
        error = float(np.abs(low - high).max())
        if np.isfinite(scale) and error > 20 * TOLERANCE * scale:
            message = f"its {name} in float32 and in float64 differ by {error:.3g} (of {scale:.3g})"
            raise oracle.broken(RULE, message, single)


def _pairs_of_numbers(oracle: Subject, single: Batch) -> list[tuple[str, np.ndarray, np.ndarray]]:
    low, high = oracle.answers([single, single.astype(np.float64)])
    return [
        ("values", low.values.astype(np.float64), high.values),
        ("gradients", low.grad_chosen.astype(np.float64), high.grad_chosen),
        ("gradients", low.grad_rejected.astype(np.float64), high.grad_rejected),
    ]
