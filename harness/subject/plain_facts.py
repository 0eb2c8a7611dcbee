"""Facts that are found alike for every contract whose batches have rows of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.protocol.batch import Complaint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.protocol.batch import Answer, Batch
    from harness.subject.subject import Subject


def pointwise(subject: Subject, batch: Batch, whole: Answer) -> bool:
    """Whether each row's value is the same with other company; `whole` is the answer to all of the batch."""
    if subject.smallest_batch > 1:
        return False
    alone = np.array([a.mean for a in subject.answers([batch.take([i]) for i in range(batch.rows)])])
    together = np.array([alone.mean()]) if whole.reduced else alone
    return bool(np.allclose(together, whole.values, rtol=1e-9, atol=1e-12, equal_nan=True))


def finite_up_to(subject: Subject, sizes: Sequence[float], batches: Sequence[Batch]) -> float | None:
    """The largest of these sizes, beginning with the domain's reach, up to which answers are finite; None for all."""
    reached = subject.domain.reach
    for size, answer in zip(sizes, subject.ask(batches), strict=True):
        if isinstance(answer, Complaint) or not (answer.finite_values and answer.finite_gradients):
            return reached
        reached = size
    return None
