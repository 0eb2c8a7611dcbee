"""Rows of a batch: values that fit every size, the smallest size, and no order among rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.core.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.rules import Rule
    from harness.core.verdict import Json
    from harness.protocol.batch import Answer, Batch
    from harness.subject.subject import Subject

#: Relative tolerance for sums in another order, by the width of a number.
TOLERANCE = {8: 1e-7, 4: 1e-3}


def one_kind(candidate: Subject, rule: Rule, batches: Sequence[Batch], answers: Sequence[Answer]) -> None:
    """Either all scalars or all one value for each row; other shapes never come this far."""
    odd = [b for b, a in zip(batches, answers, strict=True) if a.reduced != answers[0].reduced]
    if odd:
        shapes: dict[str, Json] = {
            " x ".join(map(str, b.tensors[0].shape)): list(a.shape) for b, a in zip(batches, answers, strict=True)
        }
        row = odd[0].contract.row
        message = f"it returns a scalar for some batch sizes and one value for each {row} for others"
        raise candidate.broken(rule, message, odd[0], shape_by_batch_size=shapes)


def works_on_small_batches(candidate: Subject, rule: Rule, allowed: int) -> None:
    """A loss that needs more than `allowed` rows is rejected, one that needs two is warned of."""
    smallest = candidate.smallest_batch
    if smallest == 1:
        return
    row = candidate.probe(1).contract.row
    message = f"the smallest batch it works with is {smallest} {row}s; smaller ones give NaN or an error"
    if smallest > allowed:
        raise candidate.broken(rule, message, candidate.probe(smallest - 1), smallest_batch=smallest)
    counterexample = candidate.probe(1).as_counterexample()
    candidate.note(rule, message, Severity.WARNING, **counterexample, smallest_batch=smallest)


def reordering_reorders(
    candidate: Subject, rule: Rule, batch: Batch, order: np.ndarray, *, negligible: float = 0.0
) -> None:
    """A batch in its own order and in another; numbers below `negligible` are the rest of a subtraction."""
    first, second = candidate.answers([batch, batch.take(order)])
    values = first.values if first.reduced else first.values[order]
    numbers = zip((values, *(g[order] for g in first.gradients)), (second.values, *second.gradients), strict=True)
    for place, (one, other) in enumerate(numbers):
        scale = max(float(np.abs(one).max()), float(np.abs(other).max()), negligible)
        if np.isfinite(scale) and float(np.abs(one - other).max()) > TOLERANCE[batch.dtype.itemsize] * scale:
            name = "gradients" if place else "values"
            message = f"its {name} do not follow the {batch.contract.row}s when they are reordered"
            raise candidate.broken(rule, message, batch, order=[int(i) for i in order])


def columns_have_no_order(
    candidate: Subject, rule: Rule, batch: Batch, other: Batch, order: np.ndarray, *, when: str, negligible: float
) -> None:
    """A batch, and `other` with its columns in this order: values stay, and the gradient follows.

    For contracts with one gradient, whose second dimension the columns are. `when` says what was done to them.
    """
    first, second = candidate.answers([batch, other])
    for name, one, two in (
        ("values change", first.values, second.values),
        ("gradients do not follow", first.gradient[:, order], second.gradient),
    ):
        scale = max(float(np.abs(one).max()), float(np.abs(two).max()), negligible)
        if np.isfinite(scale) and float(np.abs(one - two).max()) > TOLERANCE[batch.dtype.itemsize] * scale:
            raise candidate.broken(rule, f"its {name} when {when}", batch, order=[int(i) for i in order])
