"""Facts about a loss for classification: what it is like, whether or not anything is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.core.numbers import number
from harness.protocol.batch_types import LabelledBatch
from harness.subject.identity import fingerprint
from harness.subject.plain_facts import finite_up_to, pointwise

if TYPE_CHECKING:
    from harness.core.verdict import Json
    from harness.subject.classification.classifier import Classifier

#: Where the value and the slopes of an example without a hint are taken: so many classes, all logits zero.
CLASSES = 10
#: Sizes of logits beyond the operating domain at which the answers are looked at, in float32.
BEYOND = (200.0, 500.0, 1e3, 1e4, 1e5, 1e6, 1e9, 1e12, 1e20, 1e30)


def facts(subject: Classifier) -> dict[str, Json]:
    """Collect the facts. Needs a live sandbox; raises what the oracle raises."""
    draw = np.random.Generator(np.random.PCG64(20260103))
    size = subject.size(6)
    batch = LabelledBatch(draw.uniform(-3.0, 3.0, size=(size, 5)), draw.integers(5, size=size))
    first = subject.answer(batch)
    even = subject.size(CLASSES)
    uniform = LabelledBatch(np.zeros((even, CLASSES)), np.arange(even) % CLASSES)
    told = subject.answer(uniform)
    right = told.gradient[np.arange(even), uniform.targets]
    return {
        "contract": "classification",
        "smallest_batch": subject.smallest_batch,
        "reduced": first.reduced,
        "statistic": "pointwise" if pointwise(subject, batch, first) else "batch",
        "value_at_uniform": number(float(f"{told.mean:.9g}")),
        "slope_at_uniform": number(float(f"{float(right.sum()):.9g}")),
        "finite_up_to": _finite_up_to(subject),
        "fingerprint": fingerprint(subject),
    }


def _finite_up_to(subject: Classifier) -> Json:
    """The largest size of logits up to which values and gradients are finite: `reach` at least, None for all sizes."""
    rows = np.array([[1.0, -1.0, 0.5], [-1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]])
    index = np.arange(subject.size(len(rows))) % len(rows)
    targets = np.zeros(len(rows), dtype=np.int64)
    batches = [LabelledBatch((size * rows).astype(np.float32), targets).take(index) for size in BEYOND]
    return finite_up_to(subject, BEYOND, batches)
