"""P310: no memory from one call to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.editions import since
from harness.property_tests.same import difference
from harness.property_tests.strategies import fit_beta
from harness.subject.batches import batch_of
from harness.subject.long_life import grow_old

if TYPE_CHECKING:
    from harness.protocol.batch import Answer, Batch
    from harness.subject.subject import Subject

RULE = Rule(
    id="P310",
    name="no-hidden-state",
    severity=Severity.ERROR,
    summary="An answer does not depend on what was asked before, in this container or in a fresh one.",
    why=(
        "A loss that counts its calls, keeps running averages or changes after a while is a different function "
        "at every step; it cannot be resumed, and it can behave while it is tested. It is judged over fresh "
        "containers: what one answered late in a long life, another is asked first. `progress` is offered for "
        "schedules."
    ),
    fix="Compute everything from the arguments; name the argument `progress` if you want a schedule.",
    before="CALLS[0] += 1; weight = 0.99 ** CALLS[0]",
    after="def loss(..., beta, progress): weight = 1 - progress",
)


@since("2026.2")
def test_a_long_life(oracle: Subject) -> None:
    """Many calls, and then batches that nobody was asked before: a fresh container has to answer them alike."""
    grow_old(oracle)


#: Calls in one life of a fork between the early and the late question.
LIFE = 400


@settings(max_examples=2)
@given(seed=st.integers(0, 63), beta=st.sampled_from((0.1, 0.05, 0.5)).map(fit_beta))
def test_history_does_not_matter(oracle: Subject, seed: int, beta: float) -> None:
    """The same batches in a fresh fork, shuffled and with duplicates, and again after many calls."""
    draw = np.random.Generator(np.random.PCG64(seed))
    batches = [
        batch_of(draw.integers(-64, 65, size=oracle.size(n)) / 16 / beta / 4, beta, seed=seed + n)
        for n in (1, 2, 3, 5, 8, 8, 8, 13)
    ]
    asked = oracle.first
    if asked is not None:
        _compare(oracle, asked[0], asked[1], oracle.answers(asked[0]), f"after {oracle.oracle.calls} other calls")
    oracle.fresh()
    if asked is not None:
        _compare(oracle, asked[0], asked[1], oracle.answers(asked[0]), "in a fresh process")
        oracle.fresh()  # what comes next has to be the first that its process is asked
    early = oracle.answers(batches)
    filler = batch_of(draw.integers(-64, 65, size=oracle.size(4)) / 16, beta, seed=seed)
    oracle.answers([filler] * LIFE)
    _compare(oracle, batches, early, oracle.answers(batches), f"after {LIFE} other calls")
    order = draw.permutation(np.resize(np.arange(len(batches)), 2 * len(batches)))
    oracle.fresh()
    shuffled = oracle.answers([batches[i] for i in order])
    for place, i in enumerate(order):
        _compare(oracle, [batches[i]], [early[i]], [shuffled[place]], "in another order in a fresh process")


def _compare(oracle: Subject, batches: list[Batch], one: list[Answer], other: list[Answer], when: str) -> None:
    for batch, first, second in zip(batches, one, other, strict=True):
        if what := difference(first, second):
            raise oracle.broken(RULE, f"the same batch gave different {what} {when}", batch)
