"""P310: no memory from one call to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.same import history_does_not_matter
from harness.property_tests.common.strategies import fit_beta
from harness.property_tests.editions import since
from harness.subject.batches import batch_of
from harness.subject.long_life import grow_old

if TYPE_CHECKING:
    from harness.subject.preference import PreferenceSubject

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
def test_a_long_life(candidate: PreferenceSubject) -> None:
    """Many calls, and then batches that nobody was asked before: a fresh container has to answer them alike."""
    grow_old(candidate)


@settings(max_examples=2)
@given(seed=st.integers(0, 63), beta=st.sampled_from((0.1, 0.05, 0.5)).map(fit_beta))
def test_history_does_not_matter(candidate: PreferenceSubject, seed: int, beta: float) -> None:
    """The same batches in a fresh fork, shuffled and with duplicates, and again after many calls."""
    draw = np.random.Generator(np.random.PCG64(seed))
    batches = [
        batch_of(draw.integers(-64, 65, size=candidate.size(n)) / 16 / beta / 4, beta, seed=seed + n)
        for n in (1, 2, 3, 5, 8, 8, 8, 13)
    ]
    filler = batch_of(draw.integers(-64, 65, size=candidate.size(4)) / 16, beta, seed=seed)
    history_does_not_matter(candidate, RULE, batches, filler, draw)
