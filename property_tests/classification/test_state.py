"""P410: no memory from one call to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.classification.same import difference
from harness.property_tests.classification.strategies import labelled
from harness.property_tests.editions import since
from harness.subject.classification.batch import Labelled, Marks
from harness.subject.long_life import grow_old

if TYPE_CHECKING:
    from harness.subject.classification.classifier import Classifier

RULE = Rule(
    id="P410",
    name="labelled-no-hidden-state",
    severity=Severity.ERROR,
    summary="An answer does not depend on what was asked before, in this container or in a fresh one.",
    why=(
        "A loss that counts its calls or keeps running averages is a different function at every step; it cannot be "
        "resumed, and it can behave while it is tested. It is judged over fresh containers: what one answered late "
        "in a long life, another is asked first."
    ),
    fix="Compute everything from logits and targets.",
    before="CALLS[0] += 1; weight = 0.99 ** CALLS[0]",
    after="weight = 1.0",
    introduced_in="classification-2026.1",
)


@since("2026.2")
def test_a_long_life(oracle: Classifier) -> None:
    """Many calls, and then batches that nobody was asked before: a fresh container has to answer them alike."""
    grow_old(oracle)


#: Calls in one life of a fork between the early and the late question.
LIFE = 400


@settings(max_examples=2)
@given(seed=st.integers(0, 63), count=st.sampled_from((3, 10)))
def test_history_does_not_matter(oracle: Classifier, seed: int, count: int) -> None:
    """The same batches in a fresh fork, shuffled and with duplicates, and again after many calls."""
    batches = [labelled(oracle, n, count, seed + n) for n in (1, 2, 3, 5, 8, 8, 8, 13)]
    asked = oracle.first
    if asked is not None:
        known = [Labelled.of_pairs(batch) for batch in asked[0]]
        read = [Marks.of_answer(answer, batch) for answer, batch in zip(asked[1], known, strict=True)]
        first = [marks for marks in read if marks is not None]
        if len(first) == len(known):
            _compare(oracle, known, first, oracle.marks(known), f"after {oracle.oracle.calls} other calls")
            oracle.fresh()
            _compare(oracle, known, first, oracle.marks(known), "in a fresh process")
    oracle.fresh()  # what comes next has to be the first that its process is asked
    early = oracle.marks(batches)
    oracle.marks([labelled(oracle, 4, count, seed)] * LIFE)
    _compare(oracle, batches, early, oracle.marks(batches), f"after {LIFE} other calls")
    draw = np.random.Generator(np.random.PCG64([seed, 76]))
    order = draw.permutation(np.resize(np.arange(len(batches)), 2 * len(batches)))
    oracle.fresh()
    shuffled = oracle.marks([batches[i] for i in order])
    for place, i in enumerate(order):
        _compare(oracle, [batches[i]], [early[i]], [shuffled[place]], "in another order in a fresh process")


def _compare(oracle: Classifier, batches: list[Labelled], one: list[Marks], other: list[Marks], when: str) -> None:
    for batch, first, second in zip(batches, one, other, strict=True):
        if what := difference(first, second):
            raise oracle.wrong(RULE, f"the same batch gave different {what} {when}", batch)
