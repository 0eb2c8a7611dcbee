"""P319: the gradients point the right way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.realistic import exchange_drifts, well_ordered
from harness.rules import Rule
from harness.verdict import Severity
from property_tests.editions import since
from property_tests.strategies import many_seeds

if TYPE_CHECKING:
    from harness.judge.subject import Subject
    from harness.oracle.batch import Batch

RULE = Rule(
    id="P319",
    name="gradient-direction",
    severity=Severity.ERROR,
    summary="Along the way from clearly right to clearly wrong the gradients climb.",
    why=(
        "Values are what is compared, gradients are what trains. A loss whose values fall as they should and whose "
        "gradients push the other way teaches the rejected answers. The whole way counts and not one point of it, so "
        "that a loss may slope the wrong way in a part of it, as DiscoPOP does around zero."
    ),
    fix="Let autograd differentiate the values; look for a custom backward, a detach, or a sign.",
    before="return (2 * good).detach() - good",
    after="return good",
    introduced_in="2026.2",
)

#: Points on the way at which gradients are asked.
POINTS = 12
#: A pair may seem to fall by this share of what pairs of its batch usually climb.
ROUGH = 0.05
_AT, _WEIGHT = np.polynomial.legendre.leggauss(POINTS)


@since("2026.2")
@settings(max_examples=20)
@given(low=st.sampled_from((1.0, 0.5, 2.0)), seed=many_seeds, size=st.sampled_from((64, 1, 2, 8, 32, 256)))
def test_gradients_climb_towards_wrong(oracle: Subject, low: float, seed: int, size: int) -> None:
    """The policy moves until chosen and rejected have exchanged their drifts; asked in float32, as training asks."""
    batch = well_ordered(seed, oracle.size(size), low=low, high=4.0 * low, domain=oracle.domain)
    batch, end = exchange_drifts(batch, seed)
    climbed = _climbed(oracle, batch, end, alone=seed % 2 == 0)
    if not np.isfinite(climbed).all():
        return  # another rule's finding
    # What counts is set against what pairs usually climb: the way is asked at a few points.
    matters = -ROUGH * float(np.median(np.abs(climbed))) * batch.pairs
    for place in np.flatnonzero(climbed * batch.pairs < matters)[:2]:
        # Company can turn a pair round in a loss of the whole batch; by itself it has none.
        index = [int(place)] * oracle.smallest_batch
        single = batch.take(index)
        alone = _climbed(oracle, single, end.take(index), alone=False)
        if np.isfinite(alone).all() and alone.sum() < matters:
            raise _falls(oracle, single, float(alone.sum()))
    if not climbed.sum() > 0:
        raise _falls(oracle, batch, float(climbed.sum()))


def _climbed(oracle: Subject, batch: Batch, end: Batch, *, alone: bool) -> np.ndarray:
    """What the gradients say the mean gains from each pair on the way from right to wrong, shape (B,)."""
    chosen = end.policy_chosen.astype(np.float64) - batch.policy_chosen
    rejected = end.policy_rejected.astype(np.float64) - batch.policy_rejected
    way = [batch.shifted(chosen * t, rejected * t) for t in (1.0 + _AT) / 2.0]
    answers = oracle.alone(way) if alone else oracle.answers(way)
    steps = [w * (chosen * a.grad_chosen + rejected * a.grad_rejected) for w, a in zip(_WEIGHT, answers, strict=True)]
    return np.asarray(np.sum(steps, axis=0))


def _falls(oracle: Subject, batch: Batch, climbed: float) -> Exception:
    whose = "a clearly right pair" if batch.pairs == oracle.smallest_batch else f"{batch.pairs} clearly right pairs"
    message = f"on the way from {whose} to wrong the gradients add up to {climbed:.6g}, where they have to climb"
    return oracle.broken(RULE, message, batch, climbed=climbed)
