"""P418: the gradients lead to the right class, and are of a size that training can use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.strategies import free_classes, labelled, seeds
from harness.property_tests.common.slopes import LEAST, MOST, climb_towards_wrong
from harness.property_tests.common.strategies import EVERY_SIZE, fit_reach
from harness.property_tests.editions import since
from harness.protocol.batch_types import LabelledBatch

if TYPE_CHECKING:
    from harness.protocol.batch import Answer
    from harness.subject.classification.classifier import Classifier

RULE = Rule(
    id="P418",
    name="labelled-gradient-direction",
    severity=Severity.ERROR,
    summary="Along the way from clearly right to clearly wrong the gradients climb, by as much as training can use.",
    why=(
        "Values are what is compared, gradients are what trains. A loss whose values are right and whose gradients "
        "push the other way, are next to nothing, or enormous teaches nothing, or the wrong classes."
    ),
    fix="Let autograd differentiate the values; look for a custom backward, a detach, a sign or a factor.",
    before="return (2 * good).detach() - good",
    after="return good",
    introduced_in="classification-2026.2",
)


@since("2026.2")
@settings(max_examples=24)
@given(
    margin=st.sampled_from((4.0, 1.0, 2.0, 10.0)), count=free_classes, seed=seeds, size=st.sampled_from((8, 1, 2, 64))
)
def test_gradients_climb_towards_wrong(candidate: Classifier, margin: float, count: int, seed: int, size: int) -> None:
    """The right class is on top by the margin, and ends below another one by as much; asked in float32."""
    draw = np.random.Generator(np.random.PCG64([seed, 80]))
    margin = min(margin, fit_reach(np.inf) / 10.0)
    base = labelled(candidate, size, count, seed, reach=0.25, grid=0)
    wrong = (base.targets + draw.integers(1, count, size=base.examples)) % count
    places = np.arange(count)[None]
    right = (places == base.targets[:, None]).astype(np.float64)
    way = margin * ((places == wrong[:, None]) - right)
    begin = base.moved(margin * right)
    climb_towards_wrong(candidate, RULE, begin, way, margin, route="clearly right to wrong", by=f" by {margin:g}")


#: The least that examples may be pushed in a company of others, of what they are pushed among their like.
OPPOSITE = -0.5


@since("2026.2")
@settings(max_examples=8)
@given(part=st.integers(0, 7))
def test_trained_networks_are_led_in_every_size_and_number_of_classes(candidate: Classifier, part: int) -> None:
    """Every eighth of the sizes with three classes, and of the numbers of classes up to 1,000, in one example."""
    drawn = [_trained(size, 3, size, candidate) for size in EVERY_SIZE[part::8]]
    drawn += [_trained(4, count, ~count, candidate) for count in range(2 + part, 1001, 8)]
    answers = candidate.answers([batch for right, wrong in drawn for batch in (right, wrong)])
    for (_, wrong), first, second in zip(drawn, answers[::2], answers[1::2], strict=True):
        where = f"{wrong.examples} examples of {wrong.classes} classes"
        if first.finite_values and second.finite_values and not first.mean < second.mean:
            message = f"the loss of {where} is {first.mean:.6g} where the class on top is right, and {second.mean:.6g}"
            raise candidate.broken(RULE, f"{message} where another is", wrong, right=first.mean, wrong=second.mean)
        if not second.finite_gradients:
            continue  # P414 tells of it
        pushed = _pushed(wrong, second)
        if not pushed.mean() >= LEAST or not pushed.max() <= MOST:
            how = "the wrong way" if pushed.mean() < -LEAST else "too far" if pushed.max() > MOST else "next to nowhere"
            message = f"the gradients push {where}, all of them wrong, {how}: {pushed.mean():.3g} an example"
            raise candidate.broken(RULE, message, wrong, pushed=float(pushed.mean()))


@since("2026.2")
@settings(max_examples=12)
@given(seed=seeds, size=st.sampled_from((64, 16, 256)), count=free_classes)
def test_the_wrong_are_led_in_any_company(candidate: Classifier, seed: int, size: int, count: int) -> None:
    """An eighth of the batch is wrong, and of the others ever more are right."""
    right, wrong = _trained(size, min(count, 4096 // size), seed, candidate)
    draw = np.random.Generator(np.random.PCG64([seed, 82]))
    order = draw.permutation(wrong.examples)
    moving = order < max(1.0, wrong.examples / 8)
    batches = [wrong]
    for sixteenths in range(1, 17):
        good = ~moving & (order >= wrong.examples * (1.0 - 0.875 * sixteenths / 16))
        batches.append(LabelledBatch(np.where(good[:, None], right.logits, wrong.logits), wrong.targets))
    answers = candidate.answers(batches)
    alone = float(_pushed(wrong, answers[0])[moving].sum())
    for batch, answer in zip(batches, answers, strict=True):
        pushed = float(_pushed(batch, answer)[moving].sum())
        if alone > 0 and pushed < OPPOSITE * alone:
            share = float((batch.logits.argmax(axis=1) == batch.targets).mean())
            message = f"where {share:.0%} of {batch.examples} examples are right, wrong ones are pushed the wrong way"
            raise candidate.broken(RULE, message, batch, pushed=pushed, alone=alone)


def _trained(size: int, count: int, seed: int, candidate: Classifier) -> tuple[LabelledBatch, LabelledBatch]:
    """Logits as a network gives them, the right class some way above the best other; and the two exchanged."""
    draw = np.random.Generator(np.random.PCG64([seed & 0xFFFFFFFF, 81]))
    examples = candidate.size(size)
    logits = draw.normal(draw.uniform(-8.0, 8.0), draw.uniform(0.5, 4.0), size=(examples, count))
    targets, place = draw.integers(count, size=examples), np.arange(examples)
    logits[place, targets] = -np.inf
    other = logits.argmax(axis=1)
    logits[place, targets] = logits[place, other] + draw.uniform(0.3, 4.0, size=examples)
    logits *= np.minimum(1.0, 0.99 * candidate.domain.reach / np.abs(logits).max(axis=1, keepdims=True))
    logits = logits.astype(np.float32)
    wrong = logits.copy()
    wrong[place, targets], wrong[place, other] = logits[place, other], logits[place, targets]
    return LabelledBatch(logits, targets), LabelledBatch(wrong, targets)


def _pushed(batch: LabelledBatch, answer: Answer) -> np.ndarray:
    """How a step down the gradients moves the right class against the one on top, for each example, shape (N,)."""
    place = np.arange(batch.examples)
    gradient = answer.gradient.astype(np.float64) * batch.examples
    return np.asarray(gradient[place, batch.logits.argmax(axis=1)] - gradient[place, batch.targets])
