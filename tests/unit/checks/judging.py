"""A stand-in for the oracle: a function of batches, for judges that are tested without a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from harness.core.domain import Domain
from harness.core.program import CallPlan, Program
from harness.oracle.oracle import Oracle
from harness.protocol.batch import Answer, Complaint
from harness.subject.preference import PreferenceSubject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.protocol.batch import Batch
    from harness.protocol.batch_types import PairBatch

    Function = Callable[[PairBatch], Answer | Complaint]

NAMES = ("policy_chosen_logps", "policy_rejected_logps", "reference_chosen_logps", "reference_rejected_logps", "beta")


class Answering(Oracle):
    """An oracle whose answers are given by a function; it has no sandbox."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.program = Program(text="", guarded=True, plan=CallPlan("loss", "function", NAMES), name="loss", source="")
        self.has_gpu = False
        self.calls = 0

    def ask(self, batches: Sequence[Batch], **_: Any) -> list[Answer | Complaint]:
        self.calls += len(batches)
        return [self.function(b) for b in cast("Sequence[PairBatch]", batches)]

    def fresh(self) -> None:
        pass


def subject(function: Function) -> PreferenceSubject:
    return PreferenceSubject(Answering(function), Domain())


def of_margin(
    value: Callable[[np.ndarray], np.ndarray], slope: Callable[[np.ndarray], np.ndarray]
) -> Callable[[PairBatch], Answer]:
    """A pointwise loss of x = beta rho, from its value and its slope over x."""

    def answer(batch: PairBatch) -> Answer:
        kind = batch.policy_chosen.dtype
        x = batch.beta * batch.rho.astype(kind)
        values = value(x).astype(kind)
        gradient = (slope(x) * batch.beta / batch.pairs).astype(kind)
        return Answer((batch.pairs,), np.dtype(kind), values, (gradient, -gradient), detached=False)

    return answer


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


DPO = of_margin(lambda x: np.logaddexp(0.0, -x), lambda x: -sigmoid(-x))
#: Its value overflows, and its slope does not.
EXPONENTIAL = of_margin(lambda x: np.exp(-x), lambda x: -np.ones_like(x))
REFUSAL = Complaint("raised", "ValueError", "no", 3)
