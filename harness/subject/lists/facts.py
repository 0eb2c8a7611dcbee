"""Facts about a loss over lists: what it is like, whether or not anything is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.core.numbers import number
from harness.protocol.batch_types import ListBatch
from harness.subject.identity import fingerprint
from harness.subject.lists.drawing import lists_of
from harness.subject.plain_facts import finite_up_to, pointwise

if TYPE_CHECKING:
    from harness.core.verdict import Json
    from harness.protocol.batch import Answer
    from harness.subject.lists.list_subject import ListSubject

#: Where the value and the slopes of a list are taken at the start of training: so many answers, scores 0 to K - 1.
ANSWERS = 4
#: |beta times a difference of log-ratios| beyond the operating domain at which the answers are looked at, in float32.
BEYOND = (100.0, 200.0, 500.0, 1e3, 1e4, 1e5, 1e6, 1e9, 1e12, 1e20, 1e30)
_DEPTH = -50.0


@np.errstate(all="ignore")
def facts(subject: ListSubject) -> dict[str, Json]:
    """Collect the facts. Needs a live sandbox; raises what the oracle raises."""
    plan = subject.oracle.program.plan
    draw = np.random.Generator(np.random.PCG64(20261129))
    batch = lists_of(draw, subject.size(6), 5, subject.domain.usual, reach=6.0, grid=False, dtype=np.float64)
    first = subject.answer(batch)
    rows = subject.size(ANSWERS)
    level = np.full((rows, ANSWERS), _DEPTH)
    scores = np.broadcast_to(np.arange(float(ANSWERS)), level.shape).copy()
    told = subject.answer(ListBatch(level, level.copy(), scores, subject.domain.usual))
    return {
        "contract": "lists",
        "smallest_batch": subject.smallest_batch,
        "reduced": first.reduced,
        "statistic": "pointwise" if pointwise(subject, batch, first) else "batch",
        "reference_free": _reference_free(subject, batch, first),
        "uses": [name for name in ("beta", "progress") if plan.wants(name)],
        "value_at_start": number(float(f"{told.mean:.9g}")),
        "slopes_at_start": [number(float(f"{float(v):.9g}")) for v in told.gradient.sum(axis=0)],
        "finite_up_to": _finite_up_to(subject),
        "fingerprint": fingerprint(subject),
    }


def _reference_free(subject: ListSubject, batch: ListBatch, first: Answer) -> bool | None:
    """Whether the reference's log-probabilities change nothing; None where the answers are not finite."""
    moved = replace(batch, reference_logps=batch.reference_logps - np.linspace(0.0, 3.0, batch.answers))
    same = subject.answer(moved).values.tobytes() == first.values.tobytes()
    return None if same and not np.isfinite(first.values).any() else same


def _finite_up_to(subject: ListSubject) -> Json:
    """The reach up to which values and gradients are finite: the domain's at least, None for all that was asked."""
    beta = subject.domain.usual
    ratios = np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [-1.0, 1.0, 1.0]]) / 2.0 / beta
    index = np.arange(subject.size(len(ratios))) % len(ratios)
    level = np.zeros((index.size, 3), dtype=np.float32)
    scores = np.broadcast_to(np.arange(3.0, dtype=np.float32), level.shape).copy()
    batches = [ListBatch((size * ratios[index]).astype(np.float32), level, scores, beta) for size in BEYOND]
    return finite_up_to(subject, BEYOND, batches)
