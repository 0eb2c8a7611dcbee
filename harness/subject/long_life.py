"""The long life of a candidate, and what it is asked at the end of it: batches that no property asks.

What it answers then, a fresh container is asked first (`harness.checks.witness`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.oracle.again import Exchange

if TYPE_CHECKING:
    from harness.subject.subject import Subject

#: Batches in one request.
_TOGETHER = 256
#: Of the new batches that are asked alone, one in so many comes behind a large one.
_BEHIND = 8


def grow_old(subject: Subject) -> None:
    """Bring the present life to its number of calls, then ask what nobody was asked: `subject.late` keeps the answers.

    Raises what the oracle raises, and CandidateFault for an exception in the candidate.
    """
    plan = subject.witnessing
    if plan is None or subject.rejected:
        return  # whom something else rejects is not asked on: no second container will be
    oracle, _ = subject.oracle, subject.smallest_batch  # looking for it is a part of the life
    for at in range(0, missing := max(0, plan.calls - oracle.life), _TOGETHER):
        subject.answers(subject.distinct(missing)[at : at + _TOGETHER])
    if not oracle.program.guarded:
        # Only behind the screen is every clock out of reach.
        time.sleep(max(0.0, plan.seconds - (time.monotonic() - oracle.born)))
    batches = subject.unasked(plan.new)
    subject.aged = oracle.life
    halves = batches[0::2], batches[1::2]
    told = list(zip(halves[0], subject.answers(halves[0]), strict=True))
    subject.late = [Exchange(subject.aged, batch, answer, alone=False) for batch, answer in told]
    for place, batch in enumerate(halves[1]):
        before = [subject.large()] if place % _BEHIND == 0 else []
        answer = subject.alone([*before, batch])[-1]
        subject.late.append(Exchange(subject.aged, batch, answer, alone=True))
