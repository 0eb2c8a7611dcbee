"""Several batches answered by one call, for a loss that is known to be pointwise.

A call costs about the same for three rows and for three hundred. What is asked at the same numbers, in the same dtype,
is put into one batch whose rows weigh what they weigh in their part, so that its gradients are those that it has by
itself, and the answer is cut up.

It is held against itself: before anything is joined, rows are asked in batches of 1, 2, 3, 7 and 64 and all in one; and
of what is joined later every size is asked alone as well when it is first met, and one batch in sixteen of the others.
Where an answer in company is not the answer alone, `NotAlikeError` is raised, and nothing that was joined counts.

Covered: a loss that answers otherwise in company, in large batches or in those of one size. Not covered: one that looks
for exactly this; its text would show that it does (`harness.screen.pointwise`), and nothing of it would be joined.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.protocol.batch import Answer, Complaint

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from harness.oracle.oracle import Oracle
    from harness.protocol.batch import Batch

#: Sizes at which it is first asked alone and in company.
SIZES = (1, 2, 3, 7, 64)
#: Of the batches whose size was asked alone before, one in so many is asked alone again.
SHARE = 16
#: Rows of the largest batch that is made of several: beyond some thousand a row costs more.
ROWS = 4096
#: How far an answer in company may lie from the one alone, relative to it and to the largest of its batch: processors
#: compute the last elements of a vector in another way than the rest.
NEAR = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-12}


class NotAlikeError(Exception):
    """A loss did not answer in company as it does alone."""


@dataclass(frozen=True)
class Call:
    """One batch of a request, and the places of what it stands for among what was asked.

    `parts` are the rows of each where it was put together, else None.
    """

    batch: Batch
    places: tuple[int, ...]
    parts: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Plan:
    """What a request holds for the batches that were asked: its calls, and all of them as they cross the wire."""

    asked: tuple[Batch, ...]
    calls: tuple[Call, ...]
    packed: bytes


class Joined:
    """Asks an oracle for batches, several in one call where that can be.

    It can be for batches of one row a number of each tensor, which the contract's tensors have to be. Used by one
    thread at a time.
    """

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        #: Of the numbers, only those that the loss takes tell batches apart.
        wanted = oracle.program.plan.wants
        self._numbers = [i for i, scalar in enumerate(oracle.program.contract.scalars) if wanted(scalar.name)]
        #: Whether there is anything to join: else each batch is a call of its own.
        self._joins = oracle.program.pointwise
        self._draw = np.random.Generator(
            np.random.PCG64(int.from_bytes(hashlib.sha256(oracle.program.text.encode()).digest()[:8]))
        )
        self._alone: set[tuple[Hashable, ...]] = set()

    def establish(self, batches: Iterable[Batch]) -> None:
        """Ask for each batch whole, and in parts of several sizes. Raises NotAlikeError, and what the oracle raises."""
        for batch in batches:
            ends = np.cumsum(np.resize(SIZES, batch.rows))
            starts = [0, *(int(end) for end in ends if end < batch.rows)]
            parts = [batch.take(np.arange(a, b)) for a, b in zip(starts, [*starts[1:], batch.rows], strict=True)]
            alone = [Call(part, (i,)) for i, part in enumerate(parts)]
            plan = self._plan(parts, [*alone, _call(parts, tuple(range(len(parts))))])
            answers = self.ask(plan)
            self.count(plan)
            self.take(plan, answers)

    def plan(self, batches: Sequence[Batch]) -> Plan:
        """What is to be asked for these batches."""
        if not self._joins:
            return self._plan(batches, [Call(batch, (place,)) for place, batch in enumerate(batches)])
        together: dict[Hashable, list[int]] = {}
        for place, batch in enumerate(batches):
            numbers = batch.scalars
            together.setdefault((batch.dtype, *(numbers[i] for i in self._numbers)), []).append(place)
        calls: list[Call] = []
        for places in together.values():
            for group in _groups(places, batches):
                if len(group) > 1:
                    calls.append(_call(batches, group))
                calls += [
                    Call(batches[place], (place,))
                    for place in group
                    if len(group) == 1 or self._asked_alone(batches[place])
                ]
        return self._plan(batches, calls)

    def _plan(self, asked: Sequence[Batch], calls: Sequence[Call]) -> Plan:
        packed = self._oracle.pack([call.batch for call in calls], parts=[call.parts for call in calls])
        return Plan(tuple(asked), tuple(calls), packed)

    def _asked_alone(self, batch: Batch) -> bool:
        kind = (batch.dtype, batch.rows)
        if kind not in self._alone:
            self._alone.add(kind)
            return True
        return bool(self._draw.integers(SHARE) == 0)

    def ask(self, plan: Plan) -> list[Answer | Complaint]:
        """Put a plan's calls to the oracle."""
        calls = plan.calls
        return self._oracle.ask([c.batch for c in calls], parts=[c.parts for c in calls], packed=plan.packed)

    def count(self, plan: Plan) -> None:
        """Have what was asked counted, as if all of it had been asked alone."""
        self._oracle.answered(len(plan.asked) - len(plan.calls))

    def take(self, plan: Plan, answers: Sequence[Answer | Complaint]) -> list[Answer | Complaint]:
        """The answers to what was asked, in its order: those given alone where there are such.

        Raises NotAlikeError where a joined answer cannot be cut up, or is not what was answered alone.
        """
        cut: dict[int, Answer] = {}
        whole: dict[int, Answer | Complaint] = {}
        for call, answer in zip(plan.calls, answers, strict=True):
            if call.parts is None:
                whole[call.places[0]] = answer
            else:
                cut |= zip(call.places, _cut(answer, call.parts), strict=True)
        for place in cut.keys() & whole.keys():
            if not _near(whole[place], cut[place]):
                raise NotAlikeError
        return [whole[i] if i in whole else cut[i] for i in range(len(plan.asked))]


def _groups(places: Sequence[int], batches: Sequence[Batch]) -> list[tuple[int, ...]]:
    """The places in groups of up to so many rows together."""
    groups: list[tuple[int, ...]] = []
    rows = ROWS + 1
    for place in places:
        rows += batches[place].rows
        if rows > ROWS:
            groups.append(())
            rows = batches[place].rows
        groups[-1] += (place,)
    return groups


def _call(batches: Sequence[Batch], places: tuple[int, ...]) -> Call:
    """One batch of several, each of which weighs as much as it does alone."""
    several = [batches[place] for place in places]
    tensors = [np.concatenate(parts) for parts in zip(*(b.tensors for b in several), strict=True)]
    return Call(several[0].with_tensors(tensors), places, tuple([b.rows for b in several]))


def _cut(answer: Answer | Complaint, sizes: Sequence[int]) -> list[Answer]:
    """The parts of an answer."""
    if isinstance(answer, Complaint) or answer.shape != (sum(sizes),):
        raise NotAlikeError
    parts, end = [], 0
    finite = answer.finite_values and answer.finite_gradients
    for size in sizes:
        begin, end = end, end + size
        gradients = tuple([gradient[begin:end] for gradient in answer.gradients])
        part = Answer((size,), answer.dtype, answer.values[begin:end], gradients, answer.detached)
        if finite:
            part.know_finite()
        parts.append(part)
    return parts


def _near(alone: Answer | Complaint, company: Answer) -> bool:
    """Whether two answers are the same but for rounding."""
    if isinstance(alone, Complaint) or (alone.shape, alone.dtype, alone.detached) != (
        company.shape,
        company.dtype,
        company.detached,
    ):
        return False
    pairs = zip((alone.values, *alone.gradients), (company.values, *company.gradients), strict=True)
    return all(_numbers_near(one, other) for one, other in pairs)


def _numbers_near(one: np.ndarray, other: np.ndarray) -> bool:
    if one.tobytes() == other.tobytes():
        return True
    near, finite = NEAR[one.dtype], np.isfinite(one)
    # Below the smallest normal number some operations give zero, and others do not.
    tiny = float(np.finfo(one.dtype).tiny)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return False
    one, other = one[finite].astype(np.float64), other[finite].astype(np.float64)
    largest = float(np.abs(one).max(initial=0.0))
    return bool((np.abs(one - other) <= near * np.maximum(np.abs(one), largest * near) + tiny).all())
