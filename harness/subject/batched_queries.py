"""Questions that are known beforehand, asked together.

A property asks every candidate the same questions, as long as none of them is answered badly. Once they are
known they cross the wire in a few large requests. Each question is still put together by the property and
compared, byte by byte, with the one that was foreseen; where they differ, it is asked by itself.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.protocol import wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.oracle.oracle import Oracle
    from harness.protocol.batch import Answer, Batch, Complaint

#: Questions of more numbers (`Batch.numbers`) than this are not kept: they are asked one by one, each time.
KEPT = 1 << 20
#: Batches in one joint request, and their numbers: the time limit of a request is made for some hundreds of small ones.
TOGETHER, NUMBERS = 256, 1 << 14


@dataclass(frozen=True)
class Question:
    """What was asked in one request."""

    batches: tuple[Batch, ...]
    echo: bool


@dataclass(frozen=True)
class Joint:
    """Questions that go in one request: its payload, and what each of them alone would have sent."""

    batches: tuple[Batch, ...]
    echo: bool
    payload: bytes
    parts: tuple[bytes, ...]
    sizes: tuple[int, ...]


def join(asked: Iterable[Question | None]) -> tuple[Joint | None, ...]:
    """Put questions together; None, a change to a fresh fork, stays where it is."""
    out: list[Joint | None] = []
    waiting: list[Question] = []
    batches = numbers = 0

    def flush() -> None:
        if waiting:
            out.append(_joint(waiting))
            waiting.clear()

    for question in asked:
        if question is None:
            flush()
            out.append(None)
            batches = numbers = 0
            continue
        batches, numbers = batches + len(question.batches), numbers + sum(b.numbers for b in question.batches)
        if waiting and (batches > TOGETHER or numbers > NUMBERS or waiting[0].echo != question.echo):
            flush()
            batches, numbers = len(question.batches), sum(b.numbers for b in question.batches)
        waiting.append(question)
    flush()
    return tuple(out)


def _joint(questions: list[Question]) -> Joint:
    batches = tuple(b for q in questions for b in q.batches)
    echo = questions[0].echo
    parts = tuple(wire.pack_batches(list(q.batches), echo=echo) for q in questions)
    payload = wire.pack_batches(list(batches), echo=echo)
    return Joint(batches, echo, payload, parts, tuple(len(q.batches) for q in questions))


class BatchedQueries:
    """Asks an oracle, remembers what it asked, and asks ahead for what it was told to expect."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._expected: deque[Joint | None] = deque()
        self._ready: deque[tuple[bytes, list[Answer | Complaint]]] = deque()
        self._asked: list[Question | None] | None = None
        self._room = 0

    def expect(self, questions: Iterable[Joint | None]) -> None:
        """From here on these are expected, in this order. What was expected and not asked is forgotten."""
        self._asked = None
        self._ready.clear()
        self._expected = deque(questions)

    def listen(self) -> None:
        """From here on nothing is expected, and what is asked is remembered, for `heard`."""
        self.expect(())
        self._asked, self._room = [], KEPT

    def heard(self) -> tuple[Joint | None, ...]:
        """What was asked since `listen`; nothing where it is more than is kept."""
        asked, self._asked = self._asked, None
        return join(asked or ())

    def _note(self, question: Question | None) -> None:
        if self._asked is None:
            return
        self._room -= sum(batch.numbers for batch in question.batches) if question is not None else 0
        if self._room < 0:
            self._asked = None
            return
        self._asked.append(question)

    def ask(self, batches: Sequence[Batch], *, echo: bool, gpu: bool) -> list[Answer | Complaint]:
        """Ask as `Oracle.ask` does. Raises what that raises."""
        self._note(Question(tuple(batches), echo))
        packed = None
        if (self._ready or self._expected) and not gpu:
            packed = wire.pack_batches(list(batches), echo=echo)
            if not self._ready:
                self._ask_ahead(packed)
            if self._ready and self._ready[0][0] == packed:
                return self._ready.popleft()[1]
        self._forget()
        return self._oracle.ask(batches, echo=echo, gpu=gpu, packed=packed)

    def fresh(self) -> None:
        """Go on with a fresh fork: nothing that an earlier one was asked ahead counts any more."""
        self._note(None)
        self._ready.clear()
        if self._expected and self._expected[0] is None:
            self._expected.popleft()
        else:
            self._forget()
        self._oracle.fresh()

    def _ask_ahead(self, packed: bytes) -> None:
        joint = self._expected[0]
        if joint is None or joint.parts[0] != packed:
            return
        self._expected.popleft()
        answers = self._oracle.ask(joint.batches, echo=joint.echo, packed=joint.payload)
        at = 0
        for part, size in zip(joint.parts, joint.sizes, strict=True):
            self._ready.append((part, answers[at : at + size]))
            at += size

    def _forget(self) -> None:
        self._ready.clear()
        self._expected.clear()
