"""What several properties share: looking for answers that are not finite, and naming the pair at fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import CandidateFault
from harness.protocol.batch import Complaint

if TYPE_CHECKING:
    from harness.core.rules import Rule
    from harness.protocol.batch import Answer, Batch
    from harness.subject.subject import Subject


def is_finite(answer: Answer, *, gradients: bool) -> bool:
    """Whether the gradients, or else the values, are finite."""
    return answer.finite_gradients if gradients else answer.finite_values


def describe(answer: Answer, *, gradients: bool) -> str:
    """Name what is not finite."""
    if not gradients:
        return _word(answer.values)
    for name, vector in (("chosen", answer.grad_chosen), ("rejected", answer.grad_rejected)):
        if not np.isfinite(vector).all():
            return f"{_word(vector)} with respect to the {name} log-probability"
    return "finite"


def _word(vector: np.ndarray) -> str:
    bad = vector[~np.isfinite(vector)]
    if np.isnan(bad).any():
        return "NaN"
    return "Infinity" if bad[0] > 0 else "-Infinity"


def report_not_finite(oracle: Subject, rule: Rule, batches: list[Batch], *kinds: bool) -> None:
    """Ask for the batches; raise where an answer is not finite.

    `kinds` says what is judged, in order: False for values, True for gradients. Batches below the loss's
    smallest size are repeated up to it: that size has a rule of its own. Where the gradients alone are
    judged, a value that is not finite is left to the rule about values.
    """
    whole = [b.take(np.resize(np.arange(b.pairs), oracle.size(b.pairs))) for b in batches]
    for batch, answer in zip(whole, oracle.answers(whole), strict=True):
        for gradients in kinds:
            if is_finite(answer, gradients=gradients) or (gradients and not answer.finite_values):
                continue
            what = "gradient" if gradients else "value"
            small, seen = smallest_failing(oracle, batch, answer, gradients=gradients)
            rho, word = float(small.rho[0]), describe(seen, gradients=gradients)
            message = f"the {what} is {word} at rho {rho:g}, beta {small.beta:g}"
            if small.pairs > 1:
                message = f"the {what} is {word} in a batch of {small.pairs} at beta {small.beta:g}"
            raise oracle.broken(rule, message, small)


def report_asked_elsewhere(oracle: Subject, rule: Rule) -> None:
    """Raise for what other properties asked inside the domain and could not judge, since the answer was not finite."""
    if (asked := oracle.unjudged()) is not None:
        batch, answer = asked
        gradients = answer.finite_values
        small, seen = smallest_failing(oracle, batch, answer, gradients=gradients)
        what = ("a gradient is " if gradients else "the value is ") + describe(seen, gradients=gradients)
        raise oracle.broken(rule, f"{what} where another property asked, and could not judge", small)


def smallest_failing(oracle: Subject, batch: Batch, answer: Answer, *, gradients: bool) -> tuple[Batch, Answer]:
    """The pair that fails by itself and is nearest to rho = 0; the whole batch where none does."""
    order = np.argsort(np.abs(batch.rho), kind="stable")
    alone = [batch.take([i] * oracle.smallest_batch) for i in order]
    for single, got in zip(alone, oracle.ask(alone), strict=True):
        if not isinstance(got, Complaint) and not is_finite(got, gradients=gradients):
            return single, got
    return batch, answer


def scan(oracle: Subject, rule: Rule, batches: list[Batch], message: str) -> None:
    """Ask for many batches at once; raise for the first that is not finite, or raised an exception.

    `message` may use {what}, {rho} and {beta}.
    """
    for batch, answer in zip(batches, oracle.ask(batches), strict=True):
        if isinstance(answer, Complaint):
            raise CandidateFault(oracle.oracle.complaint_finding(answer, batch))
        for gradients in (False, True):
            if is_finite(answer, gradients=gradients):
                continue
            small, seen = smallest_failing(oracle, batch, answer, gradients=gradients)
            what = ("gradient " if gradients else "value ") + describe(seen, gradients=gradients)
            text = message.format(what=what, rho=f"{float(small.rho[0]):g}", beta=f"{small.beta:g}")
            raise oracle.broken(rule, text, small)
