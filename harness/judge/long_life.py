"""The long life of a candidate, and what it is asked at the end of it: batches that no property asks.

What it answers then, a fresh container is asked first (`harness.judge.witness`).
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

from harness.judge.realistic import realistic
from harness.oracle.again import Exchange
from harness.oracle.batch import Batch

if TYPE_CHECKING:
    from harness.judge.domain import Domain
    from harness.judge.subject import Subject

#: Pairs of the large batch.
LARGE = 1024
_SEED = 20261128
#: Batches in one request.
_TOGETHER = 256
#: Of the new batches that are asked alone, one in so many comes behind a large one.
_BEHIND = 8
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_GROUPS = 16


@functools.lru_cache(maxsize=4)
def distinct(count: int, size: int, domain: Domain) -> tuple[Batch, ...]:
    """So many batches of `size` pairs as training has them, no two alike, for calls that only have to be made."""
    each = -(-count // _GROUPS)
    out: list[Batch] = []
    for group in range(_GROUPS):
        whole = realistic(_SEED + group, each * size, domain=domain)
        places = range(0, each * size, size)
        out += [Batch.of([v[at : at + size] for v in whole.vectors], whole.beta, whole.progress) for at in places]
    return tuple(out[:count])


def unasked(count: int, smallest: int, domain: Domain) -> list[Batch]:
    """So many batches of usual sizes, from `smallest` pairs on."""
    sizes = [max(smallest, _SIZES[place % len(_SIZES)]) for place in range(count)]
    return [realistic(_SEED - 1 - place, size, domain=domain) for place, size in enumerate(sizes)]


def large(smallest: int, domain: Domain) -> Batch:
    """One of many pairs."""
    return realistic(_SEED + _GROUPS, max(smallest, LARGE), domain=domain)


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
