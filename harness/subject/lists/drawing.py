"""Lists as they are asked: log-ratios within a reach, texts of usual lengths, scores of usual sizes."""

from __future__ import annotations

import numpy as np

from harness.protocol.batch_types import ListBatch

#: Sizes of scores: rewards of a model, ratings, ranks; and the largest score of the operating domain.
_SCALES = (0.5, 2.0, 8.0, 32.0)
HIGHEST = 64.0
#: Steps between scores that are in order, on the average.
_STEPS = (1.0, 0.125, 2.0)
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

    No two scores of a list are equal; they lie anywhere in the domain, on either side of zero, close together or far
    apart, in uneven steps. Beta times the difference between the best and the worst log-ratio is `spread`.
    """
    shape = (lists, answers)
    gaps = draw.uniform(0.5, 1.5, size=(lists, answers - 1))
    steps = np.concatenate([np.zeros((lists, 1)), np.cumsum(gaps, axis=1)], axis=1)
    ratios = spread / beta * (0.5 - steps / steps[:, -1:])
    falls = draw.uniform(0.25, 1.75, size=(lists, answers - 1))
    scores = -np.concatenate([np.zeros((lists, 1)), np.cumsum(falls, axis=1)], axis=1)
    # Half a step to two of them between neighbours, or steps as small as those of shares; never beyond the domain.
    size = draw.choice(_STEPS, size=(lists, 1)) * np.minimum(1.0, HIGHEST / (2.5 * answers))
    scores = scores * size + draw.uniform(0.0, 1.0, size=(lists, 1)) * np.minimum(HIGHEST, 8.0 - scores[:, -1:] * size)
    progress = round(float(draw.uniform()), 4)
    place = draw.permuted(np.broadcast_to(np.arange(answers), shape), axis=1)
    row = np.arange(lists)[:, None]
    reference = -draw.uniform(*_DEPTHS, size=shape) - spread / beta
    right, wrong = (
        ListBatch(
            (reference + turned[row, place]).astype(dtype),
            reference.astype(dtype),
            scores[row, place].astype(dtype),
            beta,
            progress,
        )
        for turned in (ratios, ratios[:, ::-1])
    )
    return right, wrong
