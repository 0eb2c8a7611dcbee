"""What Hypothesis draws for lists: a few simple numbers, from which whole batches are built."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from harness.property_tests.common.strategies import EVERY_SIZE, fit_reach
from harness.protocol.batch import MAX_NUMBERS
from harness.subject.lists.drawing import lists_of, ordered

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def any_beta(candidate: Subject, draw: np.random.Generator) -> float:
    """One of the domain's usual betas, or as often any other one of it, on no grid."""
    low, high = candidate.domain.ends
    usual, free = float(draw.choice(candidate.domain.betas)), low * (high / low) ** float(draw.uniform())
    return usual if draw.uniform() < 0.5 else min(max(round(free, 7), low), high)


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
    """A batch of at least the loss's smallest size, at a beta of the domain (`harness.subject.lists.drawing`)."""
    draw = np.random.Generator(np.random.PCG64([seed, 91]))
    rows = candidate.size(min(lists, MAX_NUMBERS // answers))
    beta = any_beta(candidate, draw)
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
    beta = any_beta(candidate, draw)
    return ordered(draw, candidate.size(lists), answers, beta, spread=min(spread, fit_reach(np.inf)), dtype=dtype)


def every_shape(candidate: Subject, *, spread: float) -> Iterable[tuple[ListBatch, ListBatch]]:
    """Lists in order and in the opposite one, of every number of answers and in every number, on a level reference.

    Level, so that a loss without a reference is asked the same.
    """
    shapes = [(size, 3) for size in EVERY_SIZE] + [(4, count) for count in range(2, MOST_ANSWERS + 1)]
    for size, count in dict.fromkeys((candidate.size(size), count) for size, count in shapes):
        right, wrong = in_order(candidate, size, count, size + count, spread=spread)
        level = np.repeat(right.reference_logps[:, :1], count, axis=1)
        at = (replace(b, policy_logps=(level + b.logratios).astype(level.dtype)) for b in (right, wrong))
        first, second = (replace(b, reference_logps=level) for b in at)
        yield first, second
