"""P510: no memory from one call to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.same import history_does_not_matter
from harness.property_tests.lists.strategies import ranked
from harness.subject.long_life import grow_old

if TYPE_CHECKING:
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P510",
    name="lists-no-hidden-state",
    severity=Severity.ERROR,
    summary="An answer does not depend on what was asked before, in this container or in a fresh one.",
    why=(
        "A loss that counts its calls or keeps running averages is a different function at every step; it cannot "
        "be resumed, and it can behave while it is tested. It is judged over fresh containers: what one answered "
        "late in a long life, another is asked first."
    ),
    fix="Compute everything from the arguments; name the argument `progress` if you want a schedule.",
    before="CALLS[0] += 1; weight = 0.99 ** CALLS[0]",
    after="weight = 1 - progress",
    introduced_in="lists-2026.1",
)


def test_a_long_life(candidate: ListSubject) -> None:
    """Many calls, and then batches that nobody was asked before: a fresh container has to answer them alike."""
    grow_old(candidate)


@settings(max_examples=2)
@given(seed=st.integers(0, 63), count=st.sampled_from((3, 8)))
def test_history_does_not_matter(candidate: ListSubject, seed: int, count: int) -> None:
    """The same batches in a fresh fork, shuffled and with duplicates, and again after many calls."""
    batches = [ranked(candidate, n, count, seed + n) for n in (1, 2, 3, 5, 8, 8, 8, 13)]
    draw = np.random.Generator(np.random.PCG64([seed, 93]))
    history_does_not_matter(candidate, RULE, batches, ranked(candidate, 4, count, seed), draw)
