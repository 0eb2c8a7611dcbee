"""Whether the candidates of two runs are the same function: both are asked, in sandboxes of their own, at that moment.

The questions are drawn from the ledger's secret and the two runs' numbers: nobody can know them before, and for the
same pair of runs they are the same again. What either side prints meanwhile is dropped.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.checks.judging import subject_of
from harness.checks.settings import settings
from harness.core.errors import CandidateFault, InfrastructureError
from harness.oracle.sandbox import Sandbox
from harness.subject.identity import QUESTIONS, asked, difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.checks.checker import Checker
    from harness.checks.static import Screened
    from harness.core.program import Parameter
    from harness.protocol.batch import Batch
    from harness.subject.identity import Answers

    #: Values of declared parameters; empty where none is declared.
    Values = Mapping[str, float]

#: Settings of declared parameters that are drawn for a comparison, beside those that everybody knows.
_DRAWN = 3
#: Questions at each setting where there are several.
_AT_EACH = 96


@dataclass(frozen=True)
class Side:
    """One of two candidates: its text as it was screened, and the values at which it is asked, in order."""

    one: Screened
    at: Sequence[Values]


def compared(checker: Checker, labels: Mapping[str, str], key: bytes, one: Screened, other: Screened) -> str | None:
    """Where two candidates first differ as functions; None where they are the same. `key` is what questions come from.

    A side that fails here while the other does not differs from it: that judges nobody. Raises InfrastructureError.
    """
    if any(isinstance(each.fault, CandidateFault) for each in (one, other)):
        return "one of them no longer passes the screen"
    draw = np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(key).digest(), "big")))
    at = _settings(_parameters(one), _parameters(other), draw)
    if at is None:
        return "their parameters differ"
    sides = [Side(each, [values if _parameters(each) else {} for values in at]) for each in (one, other)]
    ask = _Asking(checker, labels, draw.bit_generator.random_raw())
    found = [ask(side) for side in sides]
    if found[0] is None or found[1] is None:
        return "one of them fails" if (found[0] is None) != (found[1] is None) else "both of them fail"
    for values, (batches, answers), (_, others) in zip(at, found[0], found[1], strict=True):
        if (where := difference(batches, answers, others)) is not None:
            told = ", ".join(f"{name} = {value:.4g}" for name, value in values.items())
            return f"{where}, with {told}" if told else where
    return None


def _parameters(one: Screened) -> Sequence[Parameter]:
    """What a candidate leaves open."""
    if one.program is None:
        raise one.fault or InfrastructureError("the screen gave no program")
    return one.program.plan.parameters


def _settings(ones: Sequence[Parameter], others: Sequence[Parameter], draw: np.random.Generator) -> list[Values] | None:
    """The values at which both are asked; None where they leave open different things.

    One that leaves nothing open is held against the other at all of its settings.
    """
    if ones and others and tuple(ones) != tuple(others):
        return None
    left_open = ones or others
    if not left_open:
        return [{}]
    drawn = [{p.name: p.at(float(draw.uniform())) for p in left_open} for _ in range(_DRAWN)]
    return [*(dict(setting.values) for setting in settings(left_open)), *drawn]


class _Asking:
    """Asks one side after the other the same questions."""

    def __init__(self, checker: Checker, labels: Mapping[str, str], seed: int) -> None:
        self._checker, self._labels, self._seed = checker, labels, seed

    def __call__(self, side: Side) -> list[tuple[list[Batch], Answers]] | None:
        """What it answers at each setting; None where it fails by its own fault."""
        sandbox = Sandbox(self._checker.engine, self._checker.labelled(self._labels).recipe)
        try:
            sandbox.wait_ready()
            return [self._at(sandbox, side, number) for number in range(len(side.at))]
        except CandidateFault:
            return None
        finally:
            sandbox.close()

    def _at(self, sandbox: Sandbox, side: Side, number: int) -> tuple[list[Batch], Answers]:
        one, values = side.one, side.at[number]
        if values and one.program is not None:
            one = replace(one, program=one.program.at(values))
        sandbox.reset_clock()
        subject = subject_of(self._checker, sandbox, one)
        draw = np.random.Generator(np.random.PCG64([self._seed, number]))
        batches = list(subject.questions(draw, QUESTIONS if len(side.at) == 1 else _AT_EACH))
        answers = asked(subject, batches)
        if not subject.oracle.has_gpu:
            return batches, answers
        return [*batches, *batches], [*answers, *asked(subject, batches, gpu=True)]
