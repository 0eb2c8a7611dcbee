"""The candidate as the properties see it: an oracle, a few facts that decide what may be asked, notes."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from harness.core.errors import CandidateFault, InfrastructureError
from harness.protocol.batch import Complaint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np

    from harness.core.contract import Contract
    from harness.core.domain import Domain
    from harness.core.profiles import Witnessing
    from harness.core.rules import Rule
    from harness.core.verdict import Finding, Json, Severity
    from harness.oracle.again import Exchange
    from harness.oracle.oracle import Oracle
    from harness.protocol.batch import Answer, Batch

#: Batch sizes that are tried, in order, to find the smallest one that a loss can work with.
PROBED_SIZES = (1, 2, 3, 4, 8, 16, 32, 64)
#: So many answers that are not finite are kept.
_KEPT = 64
#: Rows of the largest batch that is asked to tell functions from others.
LARGEST = 1024


@dataclass
class Subject(ABC):
    """One candidate under judgement; each contract says what it is asked (`harness.subject.by_contract`).

    `smallest_batch` is the smallest number of rows from which on the loss gives finite answers (1 where
    even the largest probe fails: the properties then say why). Once the sandbox is dead, every further
    question raises the same fault at once.
    """

    #: The rule about shapes: where it is broken, no answer means anything.
    shape_rule: ClassVar[Rule]

    oracle: Oracle
    domain: Domain
    notes: list[Finding] = field(default_factory=list)
    fault: CandidateFault | InfrastructureError | None = None
    #: Whether a finding rejects it already: what is dear and looks for the same end is then left out.
    rejected: bool = False
    #: What was asked inside the domain and had an answer that is not finite: most properties cannot judge such a one.
    not_finite: list[tuple[Batch, Answer]] = field(default_factory=list, repr=False)
    #: How plain questions reach the oracle, where that is not at once and one after the other.
    asks_by: Callable[[Sequence[Batch]], list[Answer | Complaint]] | None = field(default=None, repr=False)
    _smallest: int | None = None
    #: The first batches asked of the present fork and their answers, to be asked again at its end.
    first: tuple[list[Batch], list[Answer]] | None = field(default=None, repr=False)
    #: How it is held against a fresh container (`harness.checks.witness`); None where it is not.
    witnessing: Witnessing | None = None
    #: What it was asked in a life that had gone on for `aged` calls, and nobody before.
    late: list[Exchange] = field(default_factory=list, repr=False)
    aged: int = 0

    @property
    def known_smallest(self) -> int | None:
        """The smallest batch, if it has been looked for."""
        return self._smallest

    @property
    def smallest_batch(self) -> int:
        """Found at the first need, so that a candidate that is too slow to be probed is told so first."""
        if self._smallest is None:
            self._smallest = self._probe()
        return self._smallest

    @property
    def contract(self) -> Contract:
        """What it is asked with."""
        return self.oracle.program.contract

    def size(self, rows: int) -> int:
        """`rows`, or the smallest batch that this loss can work with."""
        return max(rows, self.smallest_batch)

    def alone(self, batches: Sequence[Batch]) -> list[Answer]:
        """Ask as training does: one batch in a request."""
        got = [answer for batch in batches for answer in self._raw([batch])]
        return self._fine(batches, self._shaped(batches, got))

    def ask(self, batches: Sequence[Batch], *, echo: bool = False, gpu: bool = False) -> list[Answer | Complaint]:
        """Ask the oracle; exceptions inside the candidate come back as Complaints."""
        return self._shaped(batches, self._raw(batches, echo=echo, gpu=gpu))

    def _shaped(self, batches: Sequence[Batch], answers: list[Answer | Complaint]) -> list[Answer | Complaint]:
        for batch, answer in zip(batches, answers, strict=True):
            # No property has to reckon with values that do not fit their batch, at whatever size.
            if not isinstance(answer, Complaint) and answer.shape not in {(), (batch.rows,)}:
                raise self.misshapen(batch, answer)
        return answers

    def _raw(self, batches: Sequence[Batch], *, echo: bool = False, gpu: bool = False) -> list[Answer | Complaint]:
        with self._remembering_its_end():
            if self.asks_by is not None and not echo and not gpu:
                return self.asks_by(batches)
            return self.oracle.ask(batches, echo=echo, gpu=gpu)

    @contextlib.contextmanager
    def _remembering_its_end(self) -> Iterator[None]:
        """Around every use of the oracle: a fault that ended the sandbox is raised again for each further use."""
        if self.fault is not None:
            raise self.fault
        try:
            yield
        except (CandidateFault, InfrastructureError) as fault:
            self.fault = fault
            raise

    def misshapen(self, batch: Batch, answer: Answer) -> CandidateFault:
        """The fault of an answer whose shape is neither () nor (rows,)."""
        message = f"it returned shape {answer.shape} {self.for_batch(batch)}"
        return self.broken(self.shape_rule, message, batch, shape=list(answer.shape))

    def for_batch(self, batch: Batch) -> str:
        """Which batch a wrong shape was given for."""
        return f"for a batch of {batch.rows}"

    @abstractmethod
    def questions(
        self, draw: np.random.Generator, count: int, *, least: int = 1, largest: int = LARGEST
    ) -> Sequence[Batch]:
        """What is asked to tell this function from others: batches of `least` to `largest` rows, at every scale."""

    @abstractmethod
    def is_inside(self, batch: Batch) -> bool:
        """Whether every loss has to be finite for this batch: it lies in the operating domain."""

    @abstractmethod
    def distinct(self, count: int) -> Sequence[Batch]:
        """So many small batches, no two alike: for calls that only have to be made."""

    @abstractmethod
    def unasked(self, count: int) -> Sequence[Batch]:
        """Batches as training has them that no property asks."""

    @abstractmethod
    def large(self) -> Batch:
        """A batch far larger than those."""

    @abstractmethod
    def probe(self, size: int) -> Batch:
        """The batch of so many rows that is asked to find the smallest one."""

    def complained(self, complaint: Complaint, batch: Batch) -> CandidateFault:
        """The fault of an exception on this batch."""
        return CandidateFault(self.oracle.complaint_finding(complaint, batch))

    def answers(self, batches: Sequence[Batch], *, echo: bool = False, gpu: bool = False) -> list[Answer]:
        """Ask the oracle; an exception inside the candidate is a CandidateFault."""
        out = self._fine(batches, self.ask(batches, echo=echo, gpu=gpu))
        if self.first is None and not echo and not gpu:
            self.first = (list(batches), out)
        return out

    def _fine(self, batches: Sequence[Batch], answers: list[Answer | Complaint]) -> list[Answer]:
        out = []
        for batch, answer in zip(batches, answers, strict=True):
            if isinstance(answer, Complaint):
                raise self.complained(answer, batch)
            out.append(answer)
            odd = not (answer.finite_values and answer.finite_gradients)
            if odd and len(self.not_finite) < _KEPT and self.is_inside(batch):
                self.not_finite.append((batch, answer))
        return out

    def unjudged(self) -> tuple[Batch, Answer] | None:
        """The first answer inside the domain that was not finite, of a batch that is not too small for the loss.

        None of a candidate that is rejected already: that is why, most of the time.
        """
        asked = () if self.rejected else self.not_finite
        return next((each for each in asked if each[0].rows >= self.smallest_batch), None)

    def answer(self, batch: Batch, *, gpu: bool = False) -> Answer:
        """Ask for one batch."""
        return self.answers([batch], gpu=gpu)[0]

    def fresh(self) -> None:
        """Go on with a fresh fork."""
        with self._remembering_its_end():
            self.first = None
            self.oracle.fresh()

    def broken(self, rule: Rule, message: str, batch: Batch, **more: Json) -> CandidateFault:
        """The fault to raise for a broken rule, with `batch` and `more` as its counterexample."""
        return CandidateFault(rule.finding(message, counterexample={**batch.as_counterexample(), **more}))

    def note(self, rule: Rule, message: str, severity: Severity, **counterexample: Json) -> None:
        """Report something that does not reject, once."""
        self.take_note(rule.finding(message, severity=severity, counterexample=counterexample or None))

    def take_note(self, finding: Finding) -> None:
        """Keep what was noted, unless it is there already."""
        if all((n.rule, n.message) != (finding.rule, finding.message) for n in self.notes):
            self.notes.append(finding)

    def _probe(self) -> int:
        answers = self._raw([self.probe(size) for size in PROBED_SIZES])
        works = [not isinstance(a, Complaint) and a.finite_values and a.finite_gradients for a in answers]
        for place, size in enumerate(PROBED_SIZES):
            if all(works[place:]):
                return size
        return 1
