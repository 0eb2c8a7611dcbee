"""Whether the candidates of two runs are the same function: both are asked, in sandboxes of their own, at that moment.

The questions are drawn from the ledger's secret and the two runs' numbers: nobody can know them before, and for the
same pair of runs they are the same again. What either side prints meanwhile is dropped.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.checks.judging import subject_of
from harness.checks.settings import settings
from harness.core.errors import CandidateFault
from harness.subject.identity import QUESTIONS, asked, difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.checks.checker import Checker
    from harness.checks.static import Screened
    from harness.core.program import Parameter
    from harness.oracle.sandbox import Sandbox
    from harness.protocol.batch import Batch
    from harness.subject.identity import Answers

    #: Values of declared parameters; empty where none is declared.
    Values = Mapping[str, float]
    #: Questions, and what one side answered to them.
    Asked = tuple[list[Batch], Answers]

#: Settings of declared parameters that are drawn for a comparison, beside those that everybody knows.
_DRAWN = 3
#: Questions at each setting where there are several.
_AT_EACH = 96


def compared(checker: Checker, labels: Mapping[str, str], key: bytes, one: Screened, other: Screened) -> str | None:
    """Where two candidates first differ as functions; None where they are the same. `key` is what questions come from.

    A side that fails here while the other does not differs from it: that judges nobody. Raises InfrastructureError.
    """
    if any(isinstance(each.fault, CandidateFault) for each in (one, other)):
        return "one of them no longer passes the screen"
    draw = np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(key).digest(), "big")))
    at = _settings(one.passed_program.plan.parameters, other.passed_program.plan.parameters, draw)
    if at is None:
        return "their parameters differ"
    seed, labelled = draw.bit_generator.random_raw(), checker.labelled(labels)
    found = [_asked(labelled, each, at, seed) for each in (one, other)]
    if found[0] is None or found[1] is None:
        return "one of them fails" if (found[0] is None) != (found[1] is None) else "both of them fail"
    for values, (batches, answers), (_, others) in zip(at, found[0], found[1], strict=True):
        if (where := difference(batches, answers, others)) is not None:
            told = ", ".join(f"{name} = {value:.4g}" for name, value in values.items())
            return f"{where}, with {told}" if told else where
    return None


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


def _asked(checker: Checker, one: Screened, at: Sequence[Values], seed: int) -> list[Asked] | None:
    """What one side answers at each setting; None where it fails by its own fault."""
    sandbox = checker.opened()
    try:
        sandbox.wait_ready()
        return [
            _asked_at(checker, sandbox, one, values, [seed, number], QUESTIONS if len(at) == 1 else _AT_EACH)
            for number, values in enumerate(at)
        ]
    except CandidateFault:
        return None
    finally:
        sandbox.close()


def _asked_at(checker: Checker, sandbox: Sandbox, one: Screened, values: Values, seed: list[int], count: int) -> Asked:
    """The questions at one setting, and the answers; a side that leaves nothing open is asked as it is."""
    if one.passed_program.plan.parameters:
        one = replace(one, program=one.passed_program.at(values))
    sandbox.reset_clock()
    subject = subject_of(checker, sandbox, one)
    batches = list(subject.questions(np.random.Generator(np.random.PCG64(seed)), count))
    answers = asked(subject, batches)
    if not subject.oracle.has_gpu:
        return batches, answers
    return [*batches, *batches], [*answers, *asked(subject, batches, gpu=True)]
