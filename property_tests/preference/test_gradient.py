"""P306: the gradients are the slopes of the values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.finite import whole
from harness.property_tests.common.slopes import (
    STEPS,
    TOLERANCE,
    along,
    compared,
    match_differences,
    noise,
    precisions_agree,
    slope,
    smooth_enough,
    stepped,
)
from harness.property_tests.common.strategies import (
    EVERY_SIZE,
    betas,
    free_betas,
    free_progresses,
    free_sizes,
    many_seeds,
    seeds,
)
from harness.property_tests.editions import since, until
from harness.property_tests.preference.strategies import training_batches
from harness.subject.batches import natural
from harness.subject.realistic import realistic

if TYPE_CHECKING:
    from harness.protocol.batch_types import PairBatch
    from harness.subject.preference import PreferenceSubject

RULE = Rule(
    id="P306",
    name="gradient-matches-values",
    severity=Severity.ERROR,
    summary="The gradients agree with finite differences of the values, in float64 and in float32.",
    why=(
        "A loss is what it answers, and the answer has two halves: the values that are judged and the "
        "gradients that train. With detach, rounding or a custom backward the two are different functions, "
        "and nothing that is known of one holds for the other. Published losses that train by a gradient which is "
        "not the slope of their values (detached weights as in WPO, detached batch statistics as in KTO and BCO) are "
        "out of scope: what their gradient is the slope of is not among their answers, and nothing could be held to it."
    ),
    fix=(
        "Remove detach, rounding and custom backward passes, and let autograd differentiate the values. A weight that "
        "has to be detached (as WPO's) is out of scope."
    ),
    before="return good.detach() + bad - bad.detach()",
    after="return good",
)


@until("2026.1")
@given(
    size=st.sampled_from((1, 3, 8, 40, 130)),
    beta=free_betas,
    seed=seeds,
    reach=st.sampled_from((1.0, 4.0, 16.0, 45.0)),
    progress=free_progresses,
    both=st.booleans(),
)
def test_gradients_match_differences(
    candidate: PreferenceSubject,
    size: int,
    beta: float,
    seed: int,
    reach: float,
    progress: float,
    both: bool,  # noqa: FBT001 - drawn
) -> None:
    """Directional derivatives along random directions, over chosen and rejected together or apart."""
    draw = np.random.Generator(np.random.PCG64(seed))
    pairs = candidate.size(size)
    # Off every grid, so that no kink or jump is hit exactly.
    x = draw.uniform(-reach, reach, size=pairs)
    batch = natural(x, beta, seed=seed, dtype=np.float64, progress=progress)
    chosen = draw.uniform(0.5, 1.0, size=pairs) * draw.choice([-1.0, 1.0], size=pairs)
    rejected = draw.uniform(0.5, 1.0, size=pairs) * draw.choice([-1.0, 1.0], size=pairs)
    directions = [(chosen, rejected)] if both else [(chosen, 0.0 * rejected), (0.0 * chosen, rejected)]
    for way in directions:
        match_differences(candidate, RULE, [batch], [[way]], enough=0.0)


@since("2026.2")
@settings(max_examples=12)
@given(seed=many_seeds, reach=st.sampled_from((1.0, 4.0, 16.0, 45.0)))
def test_gradients_match_differences_in_training(candidate: PreferenceSubject, seed: int, reach: float) -> None:
    """Realistic batches of several sizes, three directions each; comparisons that cannot be made are counted."""
    draw = np.random.Generator(np.random.PCG64([seed, 31]))
    ways: list[list[tuple[np.ndarray, np.ndarray]]] = []
    places = enumerate((1, 3, 24, 96))
    batches = [_within(candidate, seed + 7 * place, candidate.size(size), reach) for place, size in places]
    for batch in batches:
        both = (2, batch.pairs)
        chosen, rejected = draw.uniform(0.5, 1.0, size=both) * draw.choice([-1.0, 1.0], size=both)
        ways.append([(chosen, rejected), (chosen, 0.0 * rejected), (0.0 * chosen, rejected)])
    match_differences(candidate, RULE, batches, ways)


@since("2026.2")
@settings(max_examples=8)
@given(part=st.integers(0, 7))
def test_gradients_match_differences_in_every_size(candidate: PreferenceSubject, part: int) -> None:
    """Every eighth of the sizes in one example, one direction each: no size has gradients of its own."""
    draw = np.random.Generator(np.random.PCG64([part, 34]))
    batches = [_within(candidate, 2048 + size, candidate.size(size), 8.0) for size in EVERY_SIZE[part::8]]
    ways = [draw.uniform(0.5, 1.0, size=(2, b.pairs)) * draw.choice([-1.0, 1.0], size=(2, b.pairs)) for b in batches]
    moved = [b.along(way, s) for b, way in zip(batches, ways, strict=True) for s in (STEPS[0], -STEPS[0])]
    answers = candidate.answers([*batches, *moved])
    others = answers[len(batches) :]
    for place, (batch, way) in enumerate(zip(batches, ways, strict=True)):
        given_slope = along(answers[place], way)
        found = slope(others[2 * place], others[2 * place + 1], STEPS[0])
        if abs(found - given_slope) > TOLERANCE * max(abs(found), abs(given_slope), noise(answers[place])):
            # A single difference may have met a kink: two steps say the same where there is none.
            base, *four = candidate.answers([batch, *stepped(batch, way)])
            compared(candidate, RULE, batch, base, way, four, f", in a batch of {batch.pairs}")


def _within(candidate: PreferenceSubject, seed: int, pairs: int, most: float) -> PairBatch:
    """A realistic batch in float64, its drifts scaled so that |beta rho| stays below `most`."""
    batch = realistic(seed, pairs, domain=candidate.domain, dtype=np.float64)
    # No two pairs at the same place, and none at the very end: that is where kinks and ties would be.
    reach = most * np.random.Generator(np.random.PCG64([seed, 32])).uniform(0.2, 0.99, size=pairs)
    shrink = np.minimum(1.0, reach / np.maximum(batch.beta * np.abs(batch.rho), 1e-12)) - 1.0
    batch = batch.shifted(
        shrink * (batch.policy_chosen - batch.reference_chosen),
        shrink * (batch.policy_rejected - batch.reference_rejected),
    )
    # Losses of |rho| have a kink at 0, where no difference of any step tells a slope.
    return batch.shifted(-10 * STEPS[0] * (np.abs(batch.rho) < 4 * STEPS[0]), 0.0)


#: A stretch over which gradients are added up, in units of beta rho, and the points at which they are asked (Gauss and
#: Legendre's three; of each of its parts where one is looked at closely).
STRETCH = 0.25
_AT, _WEIGHT = np.polynomial.legendre.leggauss(3)
PARTS = 16
#: How far the sum may be from what the values do, relative to both.
APART = 0.02


@since("2026.2")
@settings(max_examples=16)
@given(seed=many_seeds, size=st.sampled_from((64, 16, 256)), way=st.sampled_from((0, 1, 2)))
def test_gradients_add_up_to_the_values(candidate: PreferenceSubject, seed: int, size: int, way: int) -> None:
    """Pair by pair, over stretches too long for a ripple: what the gradients promise is what the values do."""
    batch = _within(candidate, seed, candidate.size(size), 16.0)
    step = np.full(batch.pairs, STRETCH / batch.beta)
    # Never past certainty, and not past it from the other side.
    up = np.minimum(step, -0.5 * batch.policy_chosen) * (way != 1)
    down = step * (way != 0)
    promised, done = _over(candidate, batch, up, down, parts=1)
    if done.shape[1] == 1:  # a scalar, or a single pair
        _in_parts(candidate, batch, up, down)
        return
    for place in np.flatnonzero(_differ(promised * batch.pairs, done)[0])[:4]:
        index = [int(place)] * candidate.smallest_batch
        _in_parts(candidate, batch.take(index), up[index], down[index])


def _in_parts(candidate: PreferenceSubject, batch: PairBatch, up: np.ndarray, down: np.ndarray) -> None:
    """Look closely: a jump or a kink stands in one of the parts, a wrong gradient in most."""
    promised, done = (each.mean(axis=1) for each in _over(candidate, batch, up, down, parts=PARTS))
    promised *= batch.pairs
    if _differ(promised, done).sum() > PARTS / 2:
        promise, change = float(promised.sum()), float(done.sum())
        message = f"along a stretch of {STRETCH:g} / beta nats the gradients promise a change of {promise:.6g}"
        message += f", and the values change by {change:.6g}"
        raise candidate.broken(RULE, message, batch, promised=promise, change=change)


def _over(
    candidate: PreferenceSubject, batch: PairBatch, up: np.ndarray, down: np.ndarray, *, parts: int
) -> tuple[np.ndarray, np.ndarray]:
    """What gradients promise, shape (parts, B), and what values do, shape (parts, B) or (parts, 1).

    The way goes from `batch` by `up` and `-down`, in equal parts. Gradients belong to the mean of the values.
    """
    ends = np.arange(parts + 1) / parts
    inner = [(part + (1.0 + at) / 2.0) / parts for part in range(parts) for at in _AT]
    answers = candidate.answers([batch.shifted(up * t, -down * t) for t in (*ends, *inner)])
    along = np.array([up * a.grad_chosen - down * a.grad_rejected for a in answers[parts + 1 :]])
    promised = np.einsum("pab,a->pb", along.reshape(parts, len(_AT), -1), _WEIGHT) / 2.0 / parts
    return promised, np.diff([a.values for a in answers[: parts + 1]], axis=0)


def _differ(promised: np.ndarray, done: np.ndarray) -> np.ndarray:
    """Where the two are apart by more than rounding and quadrature explain."""
    scale = np.maximum(np.abs(promised), np.abs(done))
    return np.asarray(np.isfinite(scale) & (np.abs(promised - done) > APART * scale + 1e-9))


@until("2026.1")
@settings(max_examples=8)
@given(beta=betas, seed=seeds)
def test_values_are_smooth_enough_to_verify(candidate: PreferenceSubject, beta: float, seed: int) -> None:
    """Most finite differences settle: a loss whose values jitter would hide any gradient."""
    draw = np.random.Generator(np.random.PCG64(seed))
    sizes = [candidate.size(n) for n in (1, 1, 3, 3, 8, 8)]
    starts = [natural(draw.uniform(-4, 4, size=n), beta, seed=seed + n, dtype=np.float64) for n in sizes]
    ways = [(np.ones(batch.pairs), np.zeros(batch.pairs)) for batch in starts]
    smooth_enough(candidate, RULE, starts, ways)


@until("2026.1")
@given(beta=free_betas, seed=seeds, reach=st.sampled_from((4.0, 20.0)), progress=free_progresses, size=free_sizes)
def test_float32_and_float64_agree(
    candidate: PreferenceSubject, beta: float, seed: int, reach: float, progress: float, size: int
) -> None:
    """The same numbers in both precisions: a loss that is honest in one of them only is caught here."""
    draw = np.random.Generator(np.random.PCG64(seed))
    x = draw.uniform(-reach, reach, size=candidate.size(size))
    single = natural(x, beta, seed=seed, progress=progress)
    precisions_agree(candidate, RULE, single)


@since("2026.2")
@settings(max_examples=16)
@given(single=training_batches())
def test_precisions_agree_in_training(candidate: PreferenceSubject, single: PairBatch) -> None:
    """Float32 and float64 over realistic batches."""
    precisions_agree(candidate, RULE, whole(candidate, single), undefined=True)
