"""Looking for answers that are not finite, and naming the row at fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.protocol.batch import Complaint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.rules import Rule
    from harness.protocol.batch import Answer, Batch
    from harness.subject.subject import Subject


def is_finite(answer: Answer, *, gradients: bool) -> bool:
    """Whether the gradients, or else the values, are finite."""
    return answer.finite_gradients if gradients else answer.finite_values


def describe(batch: Batch, answer: Answer, *, gradients: bool) -> str:
    """Name what is not finite."""
    if not gradients:
        return _word(answer.values)
    asked = batch.contract.differentiated
    for declared, gradient in zip(asked, answer.gradients, strict=True):
        if not np.isfinite(gradient).all():
            of = f" with respect to the {declared.said.removeprefix('policy ')} log-probability"
            return _word(gradient) + (of if len(asked) > 1 else "")
    return "finite"


def _word(numbers: np.ndarray) -> str:
    bad = numbers[~np.isfinite(numbers)]
    if np.isnan(bad).any():
        return "NaN"
    return "Infinity" if bad[0] > 0 else "-Infinity"


def whole(candidate: Subject, batch: Batch) -> Batch:
    """The batch, its rows repeated up to the smallest size that the loss can work with."""
    return batch.take(np.resize(np.arange(batch.rows), candidate.size(batch.rows)))


def report_not_finite(candidate: Subject, rule: Rule, batches: Sequence[Batch], *kinds: bool) -> None:
    """Ask for the batches; raise where an answer is not finite.

    `kinds` says what is judged, in order: False for values, True for gradients. Batches below the loss's
    smallest size are repeated up to it: that size has a rule of its own. Where the gradients alone are
    judged, a value that is not finite is left to the rule about values.
    """
    asked = [whole(candidate, batch) for batch in batches]
    for batch, answer in zip(asked, candidate.answers(asked), strict=True):
        for gradients in kinds:
            if is_finite(answer, gradients=gradients) or (gradients and not answer.finite_values):
                continue
            small, seen = smallest_failing(candidate, batch, answer, gradients=gradients)
            word = describe(small, seen, gradients=gradients)
            raise candidate.broken(rule, f"the {'gradient' if gradients else 'value'} is {word} {small.spot}", small)


def report_asked_elsewhere(candidate: Subject, rule: Rule) -> None:
    """Raise for what other properties asked inside the domain and could not judge, since the answer was not finite."""
    if (asked := candidate.unjudged()) is not None:
        batch, answer = asked
        gradients = answer.finite_values
        small, seen = smallest_failing(candidate, batch, answer, gradients=gradients)
        what = ("a gradient is " if gradients else "the value is ") + describe(small, seen, gradients=gradients)
        raise candidate.broken(rule, f"{what} where another property asked, and could not judge", small)


def smallest_failing(candidate: Subject, batch: Batch, answer: Answer, *, gradients: bool) -> tuple[Batch, Answer]:
    """The row that fails by itself and is the most usual one; the whole batch where none does."""
    order = np.argsort(batch.remoteness, kind="stable")
    alone = [batch.take([int(i)] * candidate.smallest_batch) for i in order]
    for single, got in zip(alone, candidate.ask(alone), strict=True):
        if not isinstance(got, Complaint) and not is_finite(got, gradients=gradients):
            return single, got
    return batch, answer


def scan(candidate: Subject, rule: Rule, batches: Sequence[Batch], where: str = "") -> None:
    """Ask for many batches at once; raise for the first that is not finite, or raised an exception.

    `where` ends the sentence: among which others it was met.
    """
    for batch, answer in zip(batches, candidate.ask(batches), strict=True):
        if isinstance(answer, Complaint):
            raise candidate.complained(answer, batch)
        for gradients in (False, True):
            if is_finite(answer, gradients=gradients):
                continue
            small, seen = smallest_failing(candidate, batch, answer, gradients=gradients)
            what = ("gradient " if gradients else "value ") + describe(small, seen, gradients=gradients)
            raise candidate.broken(rule, f"{what} {small.spot}{where and ', '}{where}", small)
