"""The same question, the same answer: again, later, in a fresh process, on a GPU; and inputs that stay as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.rules import Rule
    from harness.protocol.batch import Answer, Batch
    from harness.subject.subject import Subject

#: Calls in one life of a fork between the early and the late question.
LIFE = 400
#: Relative difference between a GPU's answer and that of a processor.
DEVICES = 1e-3


def difference(one: Answer, other: Answer) -> str:
    """Name what differs between two answers; empty where nothing does. NaN equals itself here."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return "shapes"
    if one.values.tobytes() != other.values.tobytes():
        return "values"
    pairs = zip(one.gradients, other.gradients, strict=True)
    return "gradients" if any(a.tobytes() != b.tobytes() for a, b in pairs) else ""


def answered_alike(candidate: Subject, rule: Rule, batch: Batch, *, times: int, alone: bool = False) -> None:
    """So many times in one request and once in another, bit by bit; `alone` as training asks, one batch a request."""
    first, *others = candidate.answers([batch] * times)
    others += candidate.alone([batch]) if alone else candidate.answers([batch])
    for other in others:
        if what := difference(first, other):
            raise candidate.broken(rule, f"the same batch gave different {what} when asked again", batch)


def inputs_unchanged(candidate: Subject, rule: Rule, batches: Sequence[Batch]) -> None:
    """Every tensor is compared as bytes after the call."""
    for batch, answer in zip(batches, candidate.answers(batches, echo=True), strict=True):
        for declared, before, after in zip(batch.contract.tensors, batch.tensors, answer.echo or (), strict=False):
            if before.tobytes() != after.tobytes():
                raise candidate.broken(rule, f"it changed the {declared.said} tensor that it was given", batch)


def devices_agree(candidate: Subject, rule: Rule, batch: Batch) -> None:
    """A batch on both devices, within rounding."""
    (cpu,), (gpu,) = candidate.answers([batch]), candidate.answers([batch], gpu=True)
    numbers = zip((cpu.values, *cpu.gradients), (gpu.values, *gpu.gradients), strict=True)
    for place, (one, other) in enumerate(numbers):
        scale = max(float(np.abs(one).max()), 1e-6)
        if np.isfinite(scale) and not float(np.abs(one - other).max()) <= DEVICES * scale:
            name = "gradients" if place else "values"
            raise candidate.broken(rule, f"its {name} on the GPU differ from those on the CPU", batch)


def history_does_not_matter(
    candidate: Subject, rule: Rule, batches: Sequence[Batch], filler: Batch, draw: np.random.Generator
) -> None:
    """The same batches in a fresh fork, shuffled and with duplicates, and again after many calls with `filler`."""
    asked = candidate.first
    if asked is not None:
        _compare(candidate, rule, *asked, f"after {candidate.oracle.calls} other calls")
    candidate.fresh()
    if asked is not None:
        _compare(candidate, rule, *asked, "in a fresh process")
        candidate.fresh()  # what comes next has to be the first that its process is asked
    early = candidate.answers(batches)
    candidate.answers([filler] * LIFE)
    _compare(candidate, rule, batches, early, f"after {LIFE} other calls")
    order = draw.permutation(np.resize(np.arange(len(batches)), 2 * len(batches)))
    candidate.fresh()
    shuffled = [batches[i] for i in order]
    _compare(candidate, rule, shuffled, [early[i] for i in order], "in another order in a fresh process")


def _compare(candidate: Subject, rule: Rule, batches: Sequence[Batch], before: Sequence[Answer], when: str) -> None:
    """Ask again, and hold the answers against those that were given before."""
    for batch, first, second in zip(batches, before, candidate.answers(batches), strict=True):
        if what := difference(first, second):
            raise candidate.broken(rule, f"the same batch gave different {what} {when}", batch)
