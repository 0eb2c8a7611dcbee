"""P319: the gradients point the right way."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.strategies import fit_reach, many_seeds
from harness.property_tests.editions import since
from harness.subject.realistic import exchange_drifts, well_ordered

if TYPE_CHECKING:
    from harness.protocol.batch_types import PairBatch
    from harness.subject.preference import PreferenceSubject

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

#: Points on the way at which gradients are asked; and where they are looked at closely, since few of them may step over
#: something narrow.
POINTS, CLOSE = 12, 96
#: A pair may seem to fall by this share of what pairs of its batch usually climb.
ROUGH = 0.05
_quadrature = functools.cache(np.polynomial.legendre.leggauss)


@since("2026.2")
@settings(max_examples=20)
@given(low=st.sampled_from((1.0, 0.5, 2.0)), seed=many_seeds, size=st.sampled_from((64, 1, 2, 8, 32, 256)))
def test_gradients_climb_towards_wrong(candidate: PreferenceSubject, low: float, seed: int, size: int) -> None:
    """The policy moves until chosen and rejected have exchanged their drifts; asked in float32, as training asks."""
    batch = well_ordered(seed, candidate.size(size), low=low, high=4.0 * low, domain=candidate.domain)
    batch, end = exchange_drifts(batch, seed)
    _climbs(candidate, batch, end, alone=seed % 2 == 0)


def _climbs(
    candidate: PreferenceSubject, batch: PairBatch, end: PairBatch, *, alone: bool = False, may_rest: bool = False
) -> None:
    """Every pair by itself, and all of them; `may_rest`: they may also all stay where they are."""
    climbed = _climbed(candidate, batch, end, alone=alone)
    if not np.isfinite(climbed).all():
        return  # P313 tells of it
    # What counts is set against what pairs usually climb: the way is asked at a few points.
    matters = -ROUGH * float(np.median(np.abs(climbed))) * batch.pairs
    for place in np.flatnonzero(climbed * batch.pairs < matters)[:2]:
        # Company can turn a pair round in a loss of the whole batch; by itself it has none.
        index = [int(place)] * candidate.smallest_batch
        single = batch.take(index)
        by_itself = _climbed(candidate, single, end.take(index), points=CLOSE)
        if np.isfinite(by_itself).all() and by_itself.sum() < matters:
            raise _falls(candidate, single, float(by_itself.sum()))
    total = float(climbed.sum())
    if total <= 0:
        total = float(_climbed(candidate, batch, end, points=CLOSE).sum())
    if total < 0 or (total == 0 and not may_rest):
        raise _falls(candidate, batch, total)


#: By how many rho, at most, one text of a pair is less likely to both models: the reference may outweigh the policy.
LESS_LIKELY = 3.0


@since("2026.2")
@settings(max_examples=12)
@given(seed=many_seeds, size=st.sampled_from((64, 1, 2, 8, 256)))
def test_gradients_climb_whatever_the_reference_says(candidate: PreferenceSubject, seed: int, size: int) -> None:
    """The policy moves through rho = 0 and not as far as it came, or further; references are for one of the two."""
    drawn = well_ordered(
        seed,
        candidate.size(size),
        low=0.4,
        high=fit_reach(1.5) / 1.25,
        ordinary=True,
        domain=candidate.domain,
        dtype=np.float64,
    )
    draw = np.random.Generator(np.random.PCG64([seed, 14]))
    # A loss that is turned round on both sides alike would add up to nothing between ends that are alike.
    less, far = draw.uniform(-LESS_LIKELY, LESS_LIKELY, size=drawn.pairs) * np.abs(drawn.rho), draw.uniform(0.75, 1.25)
    batch, end = _outweighed(*exchange_drifts(drawn, seed), less, far)
    if far < 1.0:
        # One that pulls towards a small margin likes a pair far beyond it less than a wrong one that is nearer:
        # whatever the reference says, so that it does not where the two texts are alike to it.
        alike = _outweighed(*exchange_drifts(drawn, seed), drawn.reference_chosen - drawn.reference_rejected, far)
        climb = np.flatnonzero(_climbed(candidate, *alike, points=CLOSE) > 0)
        if not climb.size:
            return
        batch, end = (each.take(np.resize(climb, candidate.size(climb.size))) for each in (batch, end))
    # One that goes by the policy alone may be done with a pair on all of its way.
    _climbs(candidate, batch, end, may_rest=True)


def _outweighed(batch: PairBatch, end: PairBatch, less: np.ndarray, far: float) -> tuple[PairBatch, PairBatch]:
    """The chosen text of a pair less likely to both models, by `less` nats (the other one, below 0); another end."""
    lower = np.maximum(less, 0.0), np.maximum(-less, 0.0)
    chosen, rejected = (
        far * (end.policy_chosen - batch.policy_chosen),
        far * (end.policy_rejected - batch.policy_rejected),
    )
    start = replace(
        batch.shifted(-lower[0], -lower[1]),
        reference_chosen=batch.reference_chosen - lower[0],
        reference_rejected=batch.reference_rejected - lower[1],
    )
    return start, start.shifted(chosen, np.minimum(rejected, -0.95 * start.policy_rejected))


#: How many pairs move while the others stay, and the least that they may climb, of what they climb where all move.
FEW, OPPOSITE = 8, -0.5
#: Shares of the others that are wrong, in sixteenths.
COMPANIES = (1, 3, 5, 8, 11, 14)


@since("2026.2")
@settings(max_examples=6)
@given(seed=many_seeds, size=st.sampled_from((64, 16, 256)))
def test_gradients_climb_in_any_company(candidate: PreferenceSubject, seed: int, size: int) -> None:
    """A few pairs move, and of the others ever more are wrong already: whatever a batch has right so far.

    A loss of the whole batch may turn a few against the others. One that is none where all pairs are right, and where
    all are wrong, may not.
    """
    drawn = well_ordered(seed, candidate.size(size), low=1.0, high=4.0, domain=candidate.domain)
    batch, end = exchange_drifts(drawn, seed)
    order = np.random.Generator(np.random.PCG64([seed, 15])).permutation(batch.pairs)
    moving, few = order < FEW, np.flatnonzero(order < FEW)
    chosen, rejected = (
        b - a.astype(np.float64)
        for a, b in ((batch.policy_chosen, end.policy_chosen), (batch.policy_rejected, end.policy_rejected))
    )
    together = float(_climbed(candidate, batch, end)[moving].sum())
    for wrong in COMPANIES:
        stays = (order >= FEW) & (order < FEW + (batch.pairs - FEW) * wrong / 16)
        company = batch.shifted(stays * chosen, stays * rejected)
        there = company.shifted(moving * chosen, moving * rejected)
        climbed = float(_climbed(candidate, company, there)[moving].sum())
        if (
            together > 0
            and climbed < OPPOSITE * together
            and all(_apart(candidate, each, few) for each in (batch, end))
        ):
            message = (
                f"where {stays.sum()} of {batch.pairs} pairs stay wrong and {few.size} others go from right to wrong"
            )
            raise candidate.broken(RULE, f"{message}, the gradients add up to {climbed:.6g}", company, climbed=climbed)


def _apart(candidate: PreferenceSubject, batch: PairBatch, few: np.ndarray) -> bool:
    """Whether some pairs of a batch have the gradients that each has by itself."""
    whole, *singles = candidate.answers([batch, *(batch.take([int(i)] * candidate.smallest_batch) for i in few)])
    in_it = np.stack([whole.grad_chosen[few], whole.grad_rejected[few]]).astype(np.float64) * batch.pairs
    alone = np.array([[one.grad_chosen.sum(), one.grad_rejected.sum()] for one in singles], np.float64).T
    return bool(np.allclose(in_it, alone, rtol=1e-3, atol=1e-6 * float(np.abs(alone).max())))


def _climbed(
    candidate: PreferenceSubject, batch: PairBatch, end: PairBatch, *, alone: bool = False, points: int = POINTS
) -> np.ndarray:
    """What the gradients say the mean gains from each pair on the way from right to wrong, shape (B,)."""
    at, weights = _quadrature(points)
    chosen = end.policy_chosen.astype(np.float64) - batch.policy_chosen
    rejected = end.policy_rejected.astype(np.float64) - batch.policy_rejected
    way = [batch.shifted(chosen * t, rejected * t) for t in (1.0 + at) / 2.0]
    answers = candidate.alone(way) if alone else candidate.answers(way)
    steps = [w * (chosen * a.grad_chosen + rejected * a.grad_rejected) for w, a in zip(weights, answers, strict=True)]
    return np.asarray(np.sum(steps, axis=0))


def _falls(candidate: PreferenceSubject, batch: PairBatch, climbed: float) -> Exception:
    whose = "a clearly right pair" if batch.pairs == candidate.smallest_batch else f"{batch.pairs} clearly right pairs"
    message = f"on the way from {whose} to wrong the gradients add up to {climbed:.6g}, where they have to climb"
    return candidate.broken(RULE, message, batch, climbed=climbed)
