"""Many examples put to a candidate at once, so that neither side waits for the other and few requests are needed.

Each example runs in a greenlet of its own, up to its next question. The questions of all are put into one request, and
while a sandbox answers it, those whose answers have come run on, up to theirs. One thread asks and one judges; which
goes on when depends on nothing but the examples.

Only for a loss that is known to be stateless: for it no order of questions is another one. Where it is pointwise too,
batches are put together into few calls (`harness.oracle.joined`). What a property finds here is not told: the candidate
is asked anew, one question after the other, and what is found then counts. So all that can come of this is "all
passed".

Covered: notes and answers that are not finite, which are kept in the order of the examples. Not covered: properties
that are about the manner of asking (`IN_ORDER`), which are put one by one.
"""

from __future__ import annotations

import copy
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from greenlet import GreenletExit, getcurrent, greenlet

from harness.core.errors import CandidateFault
from harness.oracle.joined import SIZES, Joined, NotAlikeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from harness.checks.properties import Property
    from harness.oracle.joined import Plan
    from harness.protocol.batch import Answer, Batch, Complaint
    from harness.subject.subject import Subject

#: Properties about time, order, repetition, memory, bytes and devices: their questions mean something as they are put.
IN_ORDER = frozenset({"P301", "P309", "P310", "P311", "P315", "P316", "P317", "P322"})
#: Examples are begun until so many rows are asked for, or so many batches.
ROWS, BATCHES = 1 << 16, 2048
#: Batches in which it is first asked in company, in each dtype.
PROBES = 4


@dataclass(eq=False)
class _Task:
    """One example of a property, with a view of the candidate that is its own."""

    item: Property
    subject: Subject
    run: greenlet
    asked: Sequence[Batch] = ()
    seconds: float = 0.0


@dataclass
class Together:
    """Puts examples to `subject`; `seconds` is how long each property took, its share of the waiting included."""

    subject: Subject
    seconds: dict[Property, float] = field(default_factory=dict)
    #: The answers to the last request.
    _last: Future[Any] | None = None

    def passed(self, known: Mapping[Property, Sequence[Mapping[str, Any]]]) -> bool:
        """Whether every example of these properties passes, joined questions and all.

        Raises InfrastructureError. Whatever else went wrong is False, and nothing is known then.
        """
        subject = self.subject
        _ = subject.smallest_batch  # it is looked for once, and not by every view
        joined = Joined(subject.oracle)
        tasks: list[_Task] = []
        asking = ThreadPoolExecutor(1, "asking")
        try:
            if subject.oracle.program.pointwise:
                joined.establish(_probes(subject))
            self._perform(self._begun(known, tasks), joined, asking)
        except (CandidateFault, NotAlikeError, _FailedError) as fault:
            if isinstance(fault, CandidateFault):
                subject.fault = subject.fault or fault
            self._hear_of_the_last()
            return False
        except BaseException:
            subject.oracle.close()  # ends the wait for an answer as well
            raise
        finally:
            asking.shutdown()
            for task in tasks:
                task.run.throw(GreenletExit)
        for task in tasks:
            subject.not_finite += task.subject.not_finite
            for note in task.subject.notes:
                subject.take_note(note)
            self.seconds[task.item] = self.seconds.get(task.item, 0.0) + task.seconds
        return True

    def _hear_of_the_last(self) -> None:
        """Wait for the request that is still on its way: nobody takes its answers, but it may have ended the sandbox.

        Raises InfrastructureError.
        """
        last = self._last.exception() if self._last is not None else None
        if isinstance(last, CandidateFault):
            self.subject.fault = self.subject.fault or last
        elif last is not None:
            raise last

    def _begun(self, known: Mapping[Property, Sequence[Mapping[str, Any]]], tasks: list[_Task]) -> Iterator[_Task]:
        """A task for each example, in order."""
        for item, examples in known.items():
            for example in examples:
                view = copy.copy(self.subject)
                view.notes, view.not_finite = [], []
                view.asks_by = _ask
                task = _Task(item, view, greenlet(_running(item, view, example)))
                tasks.append(task)
                yield task

    def _perform(self, coming: Iterator[_Task], joined: Joined, asking: ThreadPoolExecutor) -> None:
        """Run all tasks to their ends.

        The next request is made while the sandbox answers the one before, and is on its way before those answers are
        looked at: neither side waits for more than the other's work.
        """
        ready: list[tuple[_Task, Any]] = []
        sent: _Sent | None = None
        while True:
            waiting = _Waiting()
            for task, answers in ready:
                waiting.add(_advanced(task, answers))
            while waiting.has_room and (begun := next(coming, None)) is not None:
                waiting.add(_advanced(begun, None))
            plan = joined.plan([batch for task in waiting.tasks for batch in task.asked]) if waiting.tasks else None
            came = sent.came(joined) if sent is not None else None
            before, sent = sent, None
            if plan is not None:
                self._last = asking.submit(joined.ask, plan)
                sent = _Sent(waiting.tasks, plan, self._last)
            ready = before.answered(joined, *came) if before is not None and came is not None else []
            if sent is None and not ready:
                return


@dataclass
class _Waiting:
    """Tasks that wait for answers, and how much they ask for."""

    tasks: list[_Task] = field(default_factory=list)
    rows: int = 0
    batches: int = 0

    @property
    def has_room(self) -> bool:
        """Whether more may be asked for in the same request."""
        return self.rows < ROWS and self.batches < BATCHES

    def add(self, task: _Task) -> None:
        """Take a task, unless it has come to its end."""
        if not task.run.dead:
            self.tasks.append(task)
            self.rows += sum([batch.rows for batch in task.asked])
            self.batches += len(task.asked)


@dataclass(frozen=True)
class _Sent:
    """A request on its way, and whose it is."""

    tasks: Sequence[_Task]
    plan: Plan
    answers: Future[Any]

    def came(self, joined: Joined) -> tuple[list[Any], float]:
        """Wait for what the sandbox says: that, and for how many seconds."""
        started = time.perf_counter()
        answers = self.answers.result()
        joined.count(self.plan)  # before anything is asked anew: the order of calls is that of the questions
        return answers, time.perf_counter() - started

    def answered(self, joined: Joined, came: list[Any], waited: float) -> list[tuple[_Task, Any]]:
        """Each task with its own answers."""
        started = time.perf_counter()
        answers = joined.take(self.plan, came)
        each = (waited + time.perf_counter() - started) / max(1, len(answers))
        found, at = [], 0
        for task in self.tasks:
            end = at + len(task.asked)
            found.append((task, answers[at:end]))
            task.seconds += each * (end - at)
            at = end
        return found


def _advanced(task: _Task, answers: Any) -> _Task:
    """Let a task run up to its next question, or its end. Raises _FailedError where that is not that it passed."""
    started = time.perf_counter()
    asked = task.run.switch() if answers is None else task.run.switch(answers)
    task.seconds += time.perf_counter() - started
    if not task.run.dead:
        task.asked = asked
    elif asked is not None:
        raise _FailedError from asked
    return task


class _FailedError(Exception):
    """An example did not pass."""


def _ask(batches: Sequence[Batch]) -> list[Answer | Complaint]:
    """What a view asks: its example waits here until the answers have come."""
    answers: list[Answer | Complaint] = getcurrent().parent.switch(list(batches))
    return answers


def _running(item: Property, view: Subject, example: Mapping[str, Any]) -> Any:
    def run() -> BaseException | None:
        try:
            item.body(candidate=view, **example)
        except GreenletExit:
            raise
        except Exception as error:  # noqa: BLE001 - who asks anew will say what it was
            return error
        return None

    return run


def _probes(subject: Subject) -> Sequence[Batch]:
    """Batches at every scale, in both dtypes, in which a loss is asked in company for the first time."""
    least = 2 * sum(SIZES)
    several = subject.questions(np.random.Generator(np.random.PCG64(13)), PROBES, least=least, largest=2 * least)
    return [*several, *(batch.astype(np.float64) for batch in several)]
