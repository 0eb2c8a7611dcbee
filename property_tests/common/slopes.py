"""Gradients are the slopes of the values: finite differences along directions, and one precision against the other.

A direction (`way`) has an array for each of the contract's differentiated tensors, of its shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.rules import Rule
    from harness.protocol.batch import Answer, Batch
    from harness.subject.subject import Subject

    Way = Sequence[np.ndarray]

#: Steps of the finite differences, and the relative difference that counts as a mismatch.
STEPS = (1e-4, 1e-5)
TOLERANCE = 1e-3
#: Of the comparisons in one example, this share has to come out: a loss that keeps its slope from being found hides it.
ENOUGH = 0.75
#: Points on a way at which gradients are asked, and what a row may climb for each unit of it, at least and at most.
POINTS = 12
_AT, _WEIGHT = np.polynomial.legendre.leggauss(POINTS)
LEAST, MOST = 1e-5, 1e6
_JITTER = "the values jitter so much that their slope cannot be found"


def along(answer: Answer, way: Way) -> float:
    """The slope that the gradients give along a direction."""
    return float(sum(g.reshape(-1) @ w.reshape(-1) for g, w in zip(answer.gradients, way, strict=True)))


def slope(plus: Answer, minus: Answer, step: float) -> float:
    """Central difference of the mean value along a direction."""
    return (plus.mean - minus.mean) / (2 * step)


def noise(base: Answer) -> float:
    """A slope that rounding alone could fake: differences of values of this size over the smaller step."""
    return max(abs(base.mean), 1.0) * 1e-15 / STEPS[1] * 1e3


def stepped(batch: Batch, way: Way) -> list[Batch]:
    """The batch moved along a direction by each step, forwards and backwards."""
    return [batch.along(way, sign * step) for step in STEPS for sign in (1.0, -1.0)]


def compared(
    candidate: Subject, rule: Rule, batch: Batch, base: Answer, way: Way, four: Sequence[Answer], more: str = ""
) -> bool:
    """Hold the gradients of `base` against the differences of `four` along a direction; say whether that could be done.

    It cannot where the two steps say different things: a kink, or values that jitter.
    """
    given = along(base, way)
    slopes = [slope(four[2 * i], four[2 * i + 1], step) for i, step in enumerate(STEPS)]
    scale = max(abs(given), *(abs(s) for s in slopes), noise(base))
    if not np.isfinite(scale):
        return True  # another rule's finding
    settled = abs(slopes[0] - slopes[1]) <= 0.1 * TOLERANCE * scale
    if settled and abs(slopes[1] - given) > TOLERANCE * scale:
        message = f"the gradient says {given:.6g} where the values' slope is {slopes[1]:.6g}{more}"
        raise candidate.broken(rule, message, batch, gradient=given, finite_difference=slopes[1])
    return settled


def match_differences(
    candidate: Subject, rule: Rule, batches: Sequence[Batch], ways: Sequence[Sequence[Way]], *, enough: float = ENOUGH
) -> None:
    """Each batch along its directions; comparisons that cannot be made are counted."""
    moved = [each for batch, its in zip(batches, ways, strict=True) for way in its for each in stepped(batch, way)]
    bases, others = candidate.alone(batches), candidate.answers(moved)
    made = of = 0
    for batch, base, its in zip(batches, bases, ways, strict=True):
        for way in its:
            made += compared(candidate, rule, batch, base, way, others[4 * of : 4 * of + 4])
            of += 1
    if made < enough * of:
        message = f"{_JITTER}: {made} of {of} comparisons came out"
        raise candidate.broken(rule, message, batches[0], made=made, wanted=of)


def smooth_enough(candidate: Subject, rule: Rule, starts: Sequence[Batch], ways: Sequence[Way]) -> None:
    """Most finite differences settle: a loss whose values jitter would hide any gradient."""
    moved = [each for batch, way in zip(starts, ways, strict=True) for each in stepped(batch, way)]
    answers = candidate.answers([*starts, *moved])
    settled = 0
    for i, base in enumerate(answers[: len(starts)]):
        four = answers[len(starts) + 4 * i : len(starts) + 4 * i + 4]
        first, second = slope(four[0], four[1], STEPS[0]), slope(four[2], four[3], STEPS[1])
        scale = max(abs(first), abs(second), noise(base))
        settled += bool(not np.isfinite(scale) or abs(first - second) <= 0.01 * scale)
    if settled < len(starts) / 2:
        raise candidate.broken(rule, _JITTER, starts[0])


def precisions_agree(
    candidate: Subject, rule: Rule, single: Batch, *, negligible: float = 1e-6, undefined: bool = False
) -> None:
    """The same numbers in float32 and in float64; `undefined` also judges what is NaN in float32 alone.

    Numbers below `negligible` are the rest of a subtraction.
    """
    low, high = candidate.answers([single, single.astype(np.float64)])
    numbers = zip((low.values, *low.gradients), (high.values, *high.gradients), strict=True)
    for place, (one, other) in enumerate(numbers):
        scale = max(float(np.abs(other).max()), negligible)
        error = float(np.abs(one.astype(np.float64) - other).max())
        allowed = 20 * TOLERANCE * scale
        if np.isfinite(scale) and (not error <= allowed if undefined else error > allowed):
            name = "gradients" if place else "values"
            message = f"its {name} in float32 and in float64 differ by {error:.3g} (of {scale:.3g})"
            raise candidate.broken(rule, message, single)


def climb_towards_wrong(
    candidate: Subject, rule: Rule, begin: Batch, way: np.ndarray, unit: float, *, route: str, by: str
) -> None:
    """Gradients added up along a way from right to wrong climb: all rows together, and none by itself falls.

    For contracts with one gradient. `unit` is the length of the way; `route` and `by` tell of it in the findings.
    """
    answers = candidate.answers([begin.along([way], t) for t in (1.0 + _AT) / 2.0])
    climbed = np.sum([w * (a.gradient * way).sum(axis=1) for w, a in zip(_WEIGHT, answers, strict=True)], axis=0) / 2.0
    climbed *= begin.rows / unit
    if not np.isfinite(climbed).all():
        return  # another rule's finding
    total = float(climbed.mean())
    if not LEAST <= total <= MOST:
        how = "enormously" if total > MOST else "next to nothing" if total > -LEAST else "downwards"
        message = f"from {route}{by} the gradients climb {how}: {total:.3g} a unit"
        raise candidate.broken(rule, message, begin, climbed=total)
    worst = int(climbed.argmin())
    if candidate.smallest_batch == 1 and climbed[worst] < -LEAST:
        message = (
            f"for one {begin.contract.row} the gradients fall on the way from {route}: {climbed[worst]:.3g} a unit"
        )
        raise candidate.broken(rule, message, begin.take([worst]), climbed=float(climbed[worst]))
