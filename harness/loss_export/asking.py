"""What the oracle says of a loss when it is exported: its answers, for the export's own test, and what it equals."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from harness.containers.request import ENVIRONMENT
from harness.core.errors import CandidateFault, UserError
from harness.core.pins import SANDBOX
from harness.loss_export.built_in import difference_from, found_by_fingerprint
from harness.protocol.batch import Answer

if TYPE_CHECKING:
    from harness.checks.checker import Checker
    from harness.loss_export.built_in import BuiltIn
    from harness.loss_export.promoted import Promoted
    from harness.protocol.batch_types import PairBatch
    from harness.subject.subject import Subject

#: Questions, the seed that they are drawn from, and the most pairs of one.
_QUESTIONS, _SEED, _LARGEST = 24, 20260701, 64


def answers_of(one: Promoted, checker: Checker) -> dict[str, Any]:
    """Questions all over what a loss may be asked, and the oracle's answers to the bit, at the run's own values.

    Raises UserError where the candidate does not answer, InfrastructureError for faults of ours.
    """
    screened = replace(checker.screen(one.candidate), program=one.program)
    try:
        with checker.oracle(screened) as subject:
            return asked(subject)
    except CandidateFault as fault:
        told = "; ".join(finding.message for finding in fault.findings)
        raise UserError(
            f"the candidate no longer answers: {told}", remedy="check it again, and see what it says"
        ) from fault


def asked(subject: Subject) -> dict[str, Any]:
    """The same of a loaded candidate. Questions that it raises at are left out."""
    draw = np.random.Generator(np.random.PCG64(_SEED))
    batches = subject.questions(draw, _QUESTIONS, least=subject.smallest_batch, largest=_LARGEST)
    found = [
        _told(cast("PairBatch", batch), answer)
        for batch in batches
        for answer in subject.oracle.ask([batch])  # alone, as a trainer asks
        if isinstance(answer, Answer)
    ]
    threads = {name: value for name, value in ENVIRONMENT.items() if name.endswith("_NUM_THREADS")}
    return {"environment": {**SANDBOX, **threads}, "asked": found}


def _told(batch: PairBatch, answer: Answer) -> dict[str, Any]:
    return {
        "beta": batch.beta,
        "progress": batch.progress,
        "dtype": batch.dtype.name,
        "tensors": [_text(tensor)[1] for tensor in batch.tensors],
        "shape": list(answer.shape),
        "values": _text(answer.values),
        "chosen": _text(answer.grad_chosen),
        "rejected": _text(answer.grad_rejected),
    }


def _text(numbers: np.ndarray) -> tuple[str, str]:
    """Its dtype, and its bytes."""
    return numbers.dtype.name, base64.b64encode(np.ascontiguousarray(numbers).tobytes()).decode()


def built_in_of(one: Promoted, checker: Checker) -> tuple[BuiltIn | None, str]:
    """The loss of trl's that this one is, and what there is to say where only its fingerprint is the same."""
    known = found_by_fingerprint(one)
    where = difference_from(one, known, checker) if known is not None else None
    if known is None or where is None:
        return known, ""
    return None, f"it has the fingerprint of trl's {known.loss_type}, and is another function: {where}"
