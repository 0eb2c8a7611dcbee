"""P515: a call is quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.core.rules import Rule
from harness.core.verdict import Severity
from harness.property_tests.common.timing import too_slow
from harness.subject.lists.drawing import lists_of

if TYPE_CHECKING:
    from harness.protocol.batch_types import ListBatch
    from harness.subject.lists.list_subject import ListSubject

RULE = Rule(
    id="P515",
    name="lists-time-per-call",
    severity=Severity.ERROR,
    summary="Forward and backward over 64 lists of 8 answers take at most 0.1 s.",
    why=("The loss runs in every step of every run; a second a step is hours of an idle GPU."),
    fix="Replace Python loops over lists and answers by tensor operations.",
    before="return torch.stack([f(r, s) for r, s in zip(rewards, scores)])",
    after="return f(rewards, scores)",
    introduced_in="lists-2026.1",
)

#: Seconds for one forward and backward pass over so many lists of so many answers, at the best of several tries.
ALLOWED = 0.1
TRIES = 5
LISTS, ANSWERS = 64, 8


def _batch(candidate: ListSubject, seed: int) -> ListBatch:
    """Another batch each time: an answer that was kept from the last try shows nothing."""
    draw = np.random.Generator(np.random.PCG64([seed, 96]))
    return lists_of(draw, LISTS, ANSWERS, candidate.domain.usual, reach=8.0)


def test_quick_enough_by_its_processor(candidate: ListSubject) -> None:
    """By what the sandbox uses of a processor, as the engine measures it; a busy host is nobody's fault."""
    tried = too_slow(
        candidate.oracle, lambda seed: candidate.answer(_batch(candidate, seed)), allowed=ALLOWED, tries=TRIES
    )
    if tried:
        raise candidate.broken(RULE, f"a call over {LISTS} lists {tried}", _batch(candidate, 0))
