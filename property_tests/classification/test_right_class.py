"""P408: the loss is lower for the right class."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import classes, free_sizes, labelled, seeds
from harness.protocol.batch_types import LabelledBatch

if TYPE_CHECKING:
    from harness.subject.classification.classifier import Classifier

RULE = Rule(
    id="P408",
    name="lower-for-the-right-class",
    severity=Severity.ERROR,
    summary="Sure and right costs less than sure and wrong, and a clear mistake that is mended costs less.",
    why=(
        "Everything else about a loss can look right while it teaches the wrong answers. Only clear cases are judged: "
        "label smoothing, a good loss, does not want the right logit as high as can be."
    ),
    fix="Check the sign: the loss falls as the right class gains on the others.",
    before="return log_probabilities.gather(1, targets[:, None])[:, 0]",
    after="return -log_probabilities.gather(1, targets[:, None])[:, 0]",
    introduced_in="classification-2026.1",
)


@given(margin=st.integers(2, 20).map(lambda k: k / 2), count=classes, size=free_sizes, seed=seeds)
def test_right_costs_less_than_wrong(candidate: Classifier, margin: float, count: int, size: int, seed: int) -> None:
    """The same logits, one class of each example clearly on top: that one is right, or it is not, for all or some."""
    base = labelled(candidate, size, count, seed, reach=0.25, dtype=np.float64)
    top = np.arange(count)[None] == base.targets[:, None]
    good = base.moved(margin * top)
    draw = np.random.Generator(np.random.PCG64([seed, 74]))
    wrong = (base.targets + draw.integers(1, count, size=base.examples)) % count
    some = draw.uniform(size=base.examples) < 0.5
    some[0] = True
    bad, mixed = replace(good, targets=wrong), replace(good, targets=np.where(some, wrong, base.targets))
    first, *others = candidate.alone([good, bad, mixed])
    for other, what in zip(others, ("all of them", "some of them"), strict=True):
        if first.finite_values and other.finite_values and not first.mean < other.mean:
            message = f"the loss is {first.mean:.6g} where the class on top by {margin:g} is right, and"
            message += f" {other.mean:.6g} where for {what} it is wrong"
            raise candidate.broken(RULE, message, good, right=first.mean, wrong=other.mean)


@given(count=classes, size=free_sizes, seed=seeds, step=st.sampled_from((0.5, 1.0, 2.0)))
def test_mending_a_mistake_lowers_it(candidate: Classifier, count: int, size: int, seed: int, step: float) -> None:
    """The right logit lies clearly below the best other one, and comes nearer by `step`."""
    drawn = labelled(candidate, size, count, seed, reach=1.0, grid=0, dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64([seed, 75]))
    right = np.arange(count)[None] == drawn.targets[:, None]
    wrong = np.arange(count)[None] == ((drawn.targets + draw.integers(1, count, size=drawn.examples)) % count)[:, None]
    depth = draw.uniform(2.0, 4.0, size=(drawn.examples, 1))
    before = LabelledBatch(drawn.logits + wrong * depth - right * (step + 1.0), drawn.targets)
    first, second = candidate.answers([before, before.moved(step * right)])
    if first.finite_values and second.finite_values and not second.mean < first.mean:
        message = f"the loss goes from {first.mean:.6g} to {second.mean:.6g} where the right class gains {step:g} on"
        raise candidate.broken(RULE, f"{message} a clearly wrong answer", before, step=step)
