"""What Hypothesis draws for labelled batches: a few simple numbers, from which whole batches are built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from harness.classification.batch import Labelled

if TYPE_CHECKING:
    from harness.judge.subject import Subject

#: Logits of the operating domain lie between -REACH and REACH, as the profile says.
REACH = 100.0
SIZES = (1, 2, 3, 7, 64)
CLASSES = (2, 3, 5, 10)

sizes = st.sampled_from(SIZES)
classes = st.sampled_from(CLASSES)
seeds = st.integers(0, 255)
#: How large logits become, up to the end of the operating domain.
reaches = st.sampled_from((1.0, 4.0, 16.0, 50.0, REACH))
#: Any usual batch size and number of classes, on no grid.
free_sizes = st.integers(0, 130).map(lambda k: 1 + 37 * k % 131)
free_classes = st.integers(0, 60).map(lambda k: 2 + 23 * k % 61)


def labelled(
    oracle: Subject,
    examples: int,
    count: int,
    seed: int,
    *,
    reach: float = 4.0,
    grid: int = 16,
    dtype: type[np.floating] = np.float32,
) -> Labelled:
    """A batch of at least the loss's smallest size: logits up to `reach` in steps of 1/`grid` (0: on no grid)."""
    draw = np.random.Generator(np.random.PCG64([seed, 71]))
    shape = (oracle.size(examples), count)
    logits = draw.uniform(-reach, reach, size=shape)
    if grid:
        logits = np.round(logits * grid) / grid
    return Labelled(logits.astype(dtype), draw.integers(count, size=shape[0]))
