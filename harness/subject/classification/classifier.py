"""A candidate for classification as its properties see it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from harness.core.errors import CandidateFault
from harness.subject.classification.batch import Labelled, Marks, own_shape
from harness.subject.classification.rules import SHAPE
from harness.subject.questions import LARGEST
from harness.subject.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.rules import Rule
    from harness.core.verdict import Json
    from harness.protocol.batch import Answer, Batch, Complaint

#: Classes of batches as training has them.
_TRAINED_CLASSES = (2, 10, 5, 100, 10)
#: Classes of the probe for the smallest batch.
_PROBED_CLASSES = 5
#: Classes, sizes of logits, and most logits of a batch, at which functions are told apart.
_CLASSES = (2, 3, 5, 10, 10, 62, 100, 1000)
_SCALES = (0.05, 0.7, 2.0, 3.1, 10.0, 60.0, 1000.0)
_MOST_LOGITS = 1 << 12


class Classifier(Subject):
    """One candidate under judgement. Batch sizes are in examples here, `smallest_batch` too."""

    shape_rule: ClassVar[Rule] = SHAPE

    def marks(
        self, batches: Sequence[Labelled], *, echo: bool = False, gpu: bool = False, alone: bool = False
    ) -> list[Marks]:
        """Ask for labelled batches; an exception inside the candidate is a CandidateFault.

        `alone` asks as training does, one batch in a request.
        """
        pairs = [batch.pairs for batch in batches]
        answers = self.alone(pairs) if alone else self.answers(pairs, echo=echo, gpu=gpu)
        return [self._read(batch, answer) for batch, answer in zip(batches, answers, strict=True)]

    def mark(self, batch: Labelled, *, gpu: bool = False) -> Marks:
        """Ask for one batch."""
        return self.marks([batch], gpu=gpu)[0]

    def wrong(self, rule: Rule, message: str, batch: Labelled, **more: Json) -> CandidateFault:
        """The fault to raise for a broken rule, with `batch` and `more` as its counterexample."""
        return CandidateFault(rule.finding(message, counterexample={**batch.as_counterexample(), **more}))

    def misshapen(self, batch: Batch, answer: Answer) -> CandidateFault:
        """The fault of an answer whose shape is neither () nor (N,)."""
        labelled, shape = Labelled.of_pairs(batch), own_shape(answer)
        message = f"it returned shape {shape} for logits of shape {labelled.logits.shape}"
        return self.wrong(self.shape_rule, message, labelled, shape=list(shape))

    def complained(self, complaint: Complaint, batch: Batch) -> CandidateFault:
        """The fault of an exception on this batch."""
        labelled = Labelled.of_pairs(batch)
        where = f"for logits of shape {labelled.logits.shape}"
        shown = labelled.as_counterexample()
        return CandidateFault(self.oracle.complaint_finding(complaint, batch, (where, shown)))

    def count(self, batch: Batch) -> int:
        """The size of a batch in examples."""
        return Labelled.of_pairs(batch).examples

    def is_inside(self, batch: Batch) -> bool:
        """Whether every loss has to be finite for this batch: no logit is beyond the domain's reach."""
        return float(np.abs(Labelled.of_pairs(batch).logits).max()) <= self.domain.reach

    def broken(self, rule: Rule, message: str, batch: Batch, **more: Json) -> CandidateFault:
        """The fault to raise for a broken rule, from the pairs that a labelled batch was written as."""
        return self.wrong(rule, message, Labelled.of_pairs(batch), **more)

    def distinct(self, count: int) -> Sequence[Batch]:
        """So many small batches, no two alike: for calls that only have to be made."""
        return [self._drawn(self.smallest_batch, 2 + place % 9, place) for place in range(count)]

    def unasked(self, count: int) -> list[Batch]:
        """Batches as training has them that no property asks."""
        return [
            self._drawn(self.size(1 << place % 8), _TRAINED_CLASSES[place % len(_TRAINED_CLASSES)], ~place)
            for place in range(count)
        ]

    def large(self) -> Batch:
        """A batch far larger than those."""
        return self._drawn(self.size(512), 10, 0)

    def probe(self, size: int) -> Batch:
        """The batch of so many examples that is asked to find the smallest one."""
        draw = np.random.Generator(np.random.PCG64([20260102, size]))
        logits = (draw.integers(-32, 33, size=(size, _PROBED_CLASSES)) / 16).astype(np.float32)
        return Labelled(logits, draw.integers(_PROBED_CLASSES, size=size)).pairs

    def _drawn(self, examples: int, classes: int, seed: int) -> Batch:
        draw = np.random.Generator(np.random.PCG64([20261128, seed & 0xFFFFFFFF]))
        logits = draw.normal(draw.uniform(-2.0, 2.0), draw.uniform(0.5, 4.0), size=(examples, classes))
        return Labelled(logits.astype(np.float32), draw.integers(classes, size=examples)).pairs

    def questions(
        self, draw: np.random.Generator, count: int, *, least: int = 1, largest: int = LARGEST
    ) -> list[Batch]:
        """What is asked to tell this function from others, in examples: two to a thousand classes, at every scale."""
        out = []
        for number in range(count):
            examples = int(math.exp(draw.uniform(0.0, math.log(largest + 1))))
            classes = int(draw.choice(_CLASSES))
            examples = max(least, min(examples, max(1, _MOST_LOGITS // classes)))
            scale, offset = draw.choice(_SCALES), draw.choice((0.0, 0.0, 1.0)) * 30.0 * draw.normal()
            dtype = np.float64 if number % 3 == 0 else np.float32
            logits = (scale * draw.normal(size=(examples, classes)) + offset).astype(dtype)
            out.append(Labelled(logits, draw.integers(classes, size=examples)).pairs)
        return out

    def _read(self, batch: Labelled, answer: Answer) -> Marks:
        marks = Marks.of_answer(answer, batch)
        if marks is None:
            raise self.wrong(self.shape_rule, "its values differ within one example", batch)
        return marks
