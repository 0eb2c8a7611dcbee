"""Lists as they are asked: log-ratios within a reach, texts of usual lengths, scores of usual sizes."""

from __future__ import annotations

import numpy as np

from harness.protocol.batch_types import ListBatch

#: Sizes of scores: rewards of a model, ratings, ranks; and the largest score of the operating domain.
_SCALES = (0.5, 2.0, 8.0, 32.0)
HIGHEST = 64.0
#: How deep a reference lies, in nats.
_DEPTHS = (20.0, 600.0)
#: Steps in which numbers are drawn where they are on a grid, one over so much.
GRID = 16


def lists_of(
    draw: np.random.Generator,
    lists: int,
    answers: int,
    beta: float,
    *,
    reach: float,
    grid: bool = True,
    dtype: type[np.floating] = np.float32,
) -> ListBatch:
    """Lists in which beta times a difference of two log-ratios is at most `reach`; one batch in four has equal scores.

    On a grid all numbers are sixteenths, so that sums are exact in float32.
    """
    shape = (lists, answers)
    ratios = draw.uniform(-0.5, 0.5, size=shape) * reach / beta
    scores = np.clip(draw.choice(_SCALES) * draw.normal(size=shape), -HIGHEST, HIGHEST)
    depth = draw.uniform(*_DEPTHS, size=shape)
    if draw.uniform() < 0.25:
        scores = np.round(scores)
    if grid:
        ratios, scores, depth = (np.trunc(v * GRID) / GRID for v in (ratios, scores, depth))
    reference = -depth - np.maximum(ratios, 0.0)
    progress = round(float(draw.uniform()), 4)
    return ListBatch((reference + ratios).astype(dtype), reference.astype(dtype), scores.astype(dtype), beta, progress)


def ordered(
    draw: np.random.Generator,
    lists: int,
    answers: int,
    beta: float,
    *,
    spread: float,
    dtype: type[np.floating] = np.float32,
) -> tuple[ListBatch, ListBatch]:
    """Lists whose log-ratios have the order of their scores, and the same with that order turned round.

    No two scores of a list are equal. Beta times the difference between the best and the worst log-ratio is `spread`.
    """
    shape = (lists, answers)
    gaps = draw.uniform(0.5, 1.5, size=(lists, answers - 1))
    steps = np.concatenate([np.zeros((lists, 1)), np.cumsum(gaps, axis=1)], axis=1)
    ratios = spread / beta * (0.5 - steps / steps[:, -1:])
    scores = np.broadcast_to(-np.arange(answers) * draw.uniform(0.5, 2.0, size=(lists, 1)), shape)
    place = draw.permuted(np.broadcast_to(np.arange(answers), shape), axis=1)
    row = np.arange(lists)[:, None]
    reference = -draw.uniform(*_DEPTHS, size=shape) - spread / beta
    right, wrong = (
        ListBatch(
            (reference + turned[row, place]).astype(dtype),
            reference.astype(dtype),
            scores[row, place].astype(dtype),
            beta,
        )
        for turned in (ratios, ratios[:, ::-1])
    )
    return right, wrong
