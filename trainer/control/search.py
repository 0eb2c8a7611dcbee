"""Augmented random search: linear controllers for environments that no script is written for.

The search is the second version of arXiv 1803.07055: directions drawn in pairs, the best of them kept, steps divided by
the SD of their returns, observations standardised. Its way up is kept, and graded controllers are taken from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.protocol.job import Progress, Say, StepError, silent
from harness.trainer.control.controllers import GRADES, Linear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.trainer.control.environment import Lanes
    from harness.trainer.pieces import Pieces

    Array = NDArray[np.float64]

_DIRECTIONS, _KEPT, _SHAKE, _STEP = 16, 8, 0.03, 0.02
#: Updates between two times that the search is kept.
_KEEP = 5
#: So many neighbours on each side tell what a place on the way is worth.
_AROUND = 2
#: Shares of the best return, over doing nothing, that the grades stand for.
_SHARES = {"weak": 0.25, "medium": 0.5, "expert": 1.0}


def search(
    lanes: Lanes, bound: float, horizon: int, steps: int, say: Say = silent, pieces: Pieces | None = None
) -> dict[str, Linear]:
    """Search for `steps` updates, and give a controller of each grade. A piece that is known is gone on from.

    Raises StepError where nothing was found that does better than doing nothing.
    """
    draw = np.random.Generator(np.random.PCG64([0, 41]))
    weights = np.zeros((lanes.action_size, lanes.observation_size))
    count, mean, spread = 1.0, np.zeros(lanes.observation_size), np.zeros(lanes.observation_size)
    way: list[tuple[float, Linear]] = []
    begin = 0
    if pieces is not None and (found := pieces.known("search")) is not None:
        begin, draw.bit_generator.state = len(found["way"]), found["draw"]
        count, (weights, mean, spread) = found["count"], (part.numpy() for part in found["now"])
        way = [(value, _law(law, bound)) for value, law in found["way"]]
    for step in range(begin, steps):
        scale = np.sqrt(spread / count) if step else np.ones_like(mean)
        now = Linear(weights.copy(), mean.copy(), np.where(scale < 1e-3, 1.0, scale), bound)
        shakes = draw.normal(size=(_DIRECTIONS, *weights.shape))
        tried = np.concatenate([weights + _SHAKE * shakes, weights - _SHAKE * shakes, weights[None]])
        returns, seen = _returns(lanes, now, tried, horizon, step)
        way.append((float(returns[-1]), now))
        plus, minus = returns[:_DIRECTIONS], returns[_DIRECTIONS:-1]
        best = np.argsort(-np.maximum(plus, minus))[:_KEPT]
        deviation = float(np.concatenate([plus[best], minus[best]]).std()) or 1.0
        weights = weights + _STEP / deviation * np.einsum("k,kdo->do", plus[best] - minus[best], shakes[best]) / _KEPT
        count, mean, spread = _merged(count, mean, spread, seen)
        if pieces is not None and (step + 1) % _KEEP == 0:
            passed = [(value, [_kept(part) for part in (law.weights, law.mean, law.scale)]) for value, law in way]
            now_at = [_kept(part) for part in (weights, mean, spread)]
            pieces.keep("search", {"draw": draw.bit_generator.state, "count": count, "now": now_at, "way": passed})
        say(Progress(step + 1, steps, "controllers", {"return": float(returns[-1])}))
    return _graded(way)


def _kept(array: Array) -> torch.Tensor:
    return torch.from_numpy(array)


def _returns(lanes: Lanes, law: Linear, tried: Array, horizon: int, step: int) -> tuple[Array, Array]:
    """One episode for each of the weights (W, D, O), all from the same start: returns (W,) and observations (M, O)."""
    seen = lanes.reset([7_000_000 + step] * len(tried))
    total, ended, kept = np.zeros(len(tried)), np.zeros(len(tried), dtype=np.bool_), []
    for _ in range(horizon):
        kept.append(seen[~ended])
        actions = np.einsum("wdo,wo->wd", tried, (seen - law.mean) / law.scale)
        seen, rewards, ended = lanes.step(np.clip(actions, -law.bound, law.bound))
        total += rewards
        if ended.all():
            break
    return total, np.concatenate(kept)


def _merged(count: float, mean: Array, spread: Array, seen: Array) -> tuple[float, Array, Array]:
    """Mean and sum of squared deviations of all observations so far."""
    more, there = float(len(seen)), seen.mean(axis=0)
    total, apart = count + more, there - mean
    return (
        total,
        mean + apart * more / total,
        spread + np.square(seen - there).sum(axis=0) + np.square(apart) * count * more / total,
    )


def _graded(way: list[tuple[float, Linear]]) -> dict[str, Linear]:
    # One episode is luck: a place on the way is worth what is returned around it.
    found = np.array([value for value, _ in way])
    reached = np.array([found[max(0, i - _AROUND) : i + _AROUND + 1].mean() for i in range(len(found))])
    nothing, best = float(found[0]), float(reached.max())
    if best <= nothing:
        raise StepError(
            f"the search found no controller better than doing nothing ({best:.4g})",
            fault="user",
            remedy="raise search_steps, or name another environment",
        )
    wanted = {grade: nothing + _SHARES[grade] * (best - nothing) for grade in GRADES}
    return {grade: way[int(np.abs(reached - at).argmin())][1] for grade, at in wanted.items()}


def _law(parts: Sequence[torch.Tensor], bound: float) -> Linear:
    weights, mean, scale = (part.numpy() for part in parts)
    return Linear(weights, mean, scale, bound)
