"""What Hypothesis draws for labelled batches: a few simple numbers, from which whole batches are built.

All properties take their batches from `labelled`. Since edition 2026.2 it draws them as networks give them: up to 1,000
classes, logits with an offset of their own, some of them sure of a class, right or wrong.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from harness.property_tests.common.strategies import fit_reach, is_since
from harness.protocol.batch import MAX_NUMBERS
from harness.protocol.batch_types import LabelledBatch

if TYPE_CHECKING:
    from harness.subject.subject import Subject

#: Logits of the operating domain lie between -REACH and REACH, as the profile says.
REACH = 100.0
SIZES = (1, 2, 3, 7, 64)
CLASSES = (2, 3, 5, 10)
#: As many as data sets have: digits, CIFAR-100, ImageNet, and some in between.
MANY_CLASSES = (10, 2, 3, 100, 5, 1000, 37, 257)
#: How far an offset moves all logits of an example.
OFFSET = 30.0


def _classes(place: int) -> int:
    return MANY_CLASSES[place % len(MANY_CLASSES)] if is_since("2026.2") else CLASSES[place % len(CLASSES)]


def _free_classes(place: int) -> int:
    if not is_since("2026.2"):
        return 2 + 23 * place % 61
    # Evenly over the decades from 2 to 1,000.
    return round(2.0 * math.pow(500.0, place * 0.6180339887 % 1.0))


sizes = st.sampled_from(SIZES)
classes = st.integers(0, 15).map(_classes)
seeds = st.integers(0, 255)
#: How large logits become, up to the end of the operating domain.
reaches = st.sampled_from((1.0, 4.0, 16.0, 50.0, REACH)).map(fit_reach)
#: Any usual batch size and number of classes, on no grid.
free_sizes = st.integers(0, 130).map(lambda k: 1 + 37 * k % 131)
free_classes = st.integers(0, 60).map(_free_classes)


def labelled(
    candidate: Subject,
    examples: int,
    count: int,
    seed: int,
    *,
    reach: float = 4.0,
    grid: int = 16,
    dtype: type[np.floating] = np.float32,
) -> LabelledBatch:
    """A batch of at least the loss's smallest size: logits up to `reach` in steps of 1/`grid` (0: on no grid).

    Since edition 2026.2 two of three batches have offsets besides, inside the domain.
    """
    reach = fit_reach(reach)
    draw = np.random.Generator(np.random.PCG64([seed, 71]))
    shape = (candidate.size(min(examples, max(1, MAX_NUMBERS // count))), count)
    logits = draw.uniform(-reach, reach, size=shape)
    targets = draw.integers(count, size=shape[0])
    if is_since("2026.2") and seed % 3:
        # Where logits are small they are moved afterwards, by margins that are to stay inside the domain.
        most = candidate.domain.reach * (0.5 if reach <= 0.2 * candidate.domain.reach else 1.0)
        room = min(OFFSET, most - reach)
        logits += draw.uniform(-room, room, size=(shape[0] if seed % 3 == 1 else 1, 1))
    if grid:
        logits = np.round(logits * grid) / grid
    return LabelledBatch(logits.astype(dtype), targets)


def confident(
    candidate: Subject, examples: int, count: int, seed: int, *, dtype: type[np.floating] = np.float32
) -> LabelledBatch:
    """A batch as a network gives it: more or less spread, and of some examples sure, whether or not it is right."""
    draw = np.random.Generator(np.random.PCG64([seed, 79]))
    batch = labelled(
        candidate, examples, count, seed, reach=fit_reach(8.0) * draw.uniform(0.05, 1.0), grid=0, dtype=np.float64
    )
    sure = draw.uniform(0.0, 15.0) * (draw.uniform(size=batch.examples) < 0.7)
    top = np.where(
        draw.uniform(size=batch.examples) < draw.uniform(), batch.targets, draw.integers(count, size=batch.examples)
    )
    logits = batch.logits + sure[:, None] * (np.arange(count)[None] == top[:, None])
    return LabelledBatch(np.clip(logits, -candidate.domain.reach, candidate.domain.reach).astype(dtype), batch.targets)
