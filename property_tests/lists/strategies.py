"""What Hypothesis draws for lists: a few simple numbers, from which whole batches are built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from harness.property_tests.common.strategies import fit_reach
from harness.protocol.batch import MAX_NUMBERS
from harness.subject.lists.drawing import lists_of, ordered

if TYPE_CHECKING:
    from harness.protocol.batch_types import ListBatch
    from harness.subject.subject import Subject

#: Answers of a list, and the most of them.
ANSWERS = (4, 2, 3, 8, 5, 16)
MOST_ANSWERS = 64

counts = st.sampled_from(ANSWERS)
#: Any number of answers up to 32, on no grid.
free_counts = st.integers(0, 60).map(lambda k: 2 + 12 * k % 31)
#: How far apart beta times the log-ratios of a list are, up to the end of the operating domain.
reaches = st.sampled_from((4.0, 1.0, 16.0, 30.0, 50.0)).map(fit_reach)


def ranked(
    candidate: Subject,
    lists: int,
    answers: int,
    seed: int,
    *,
    reach: float = 4.0,
    grid: bool = True,
    dtype: type[np.floating] = np.float32,
) -> ListBatch:
    """A batch of at least the loss's smallest size, at one of the domain's betas (`harness.subject.lists.drawing`)."""
    draw = np.random.Generator(np.random.PCG64([seed, 91]))
    rows = candidate.size(min(lists, MAX_NUMBERS // answers))
    beta = float(draw.choice(candidate.domain.betas))
    return lists_of(draw, rows, answers, beta, reach=fit_reach(reach), grid=grid, dtype=dtype)


def in_order(
    candidate: Subject,
    lists: int,
    answers: int,
    seed: int,
    *,
    spread: float = 4.0,
    dtype: type[np.floating] = np.float32,
) -> tuple[ListBatch, ListBatch]:
    """Lists in the order of their scores, and in the opposite one."""
    draw = np.random.Generator(np.random.PCG64([seed, 90]))
    beta = float(draw.choice(candidate.domain.betas))
    return ordered(draw, candidate.size(lists), answers, beta, spread=min(spread, fit_reach(np.inf)), dtype=dtype)
