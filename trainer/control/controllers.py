"""Controllers: who shows the policies how it is done, at several grades.

For Reacher they are scripted, a transposed Jacobian with damping. For environments that no script is written for they
are linear policies, found by augmented random search: the second version of arXiv 1803.07055, directions drawn in
pairs, the best of them kept, steps divided by the SD of their returns, observations standardised. Its way up is kept,
and graded controllers are taken from it. Each acts with noise and in bins, so that a categorical policy can follow it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.protocol.job import Progress, Say, StepError, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from harness.trainer.checkpoint import Pieces
    from harness.trainer.control.environment import Lanes

    Array = NDArray[np.float64]
    #: From observations (n, O) to actions (n, D).
    Law = Callable[[Array], Array]

#: The grades, from the worst to the best.
GRADES = ("weak", "medium", "expert")
#: Lengths of the arm's two links, in metres, as gymnasium's model has them.
_LINKS = (0.1, 0.11)
#: Gain on the distance (per metre) and on the joints' speed (seconds per radian) of each grade.
_GAINS = {"weak": (0.1, 0.05), "medium": (0.3, 0.02), "expert": (3.0, 0.1)}
_DIRECTIONS, _KEPT, _SHAKE, _STEP = 16, 8, 0.03, 0.02
#: Updates between two times that the search is kept.
_KEEP = 5
#: So many neighbours on each side tell what a place on the way is worth.
_AROUND = 2
#: Shares of the best return, over doing nothing, that the grades stand for.
_SHARES = {"weak": 0.25, "medium": 0.5, "expert": 1.0}


def reacher(grade: str) -> Law:
    """The scripted law of a grade for Reacher-v5."""
    pull, brake = _GAINS[grade]

    def law(seen: Array) -> Array:
        cos_a, cos_b, sin_a, sin_b = seen[:, 0], seen[:, 1], seen[:, 2], seen[:, 3]
        # Direction of the outer link: the sum of both angles.
        cos_ab, sin_ab = cos_a * cos_b - sin_a * sin_b, sin_a * cos_b + cos_a * sin_b
        speed, away = seen[:, 6:8], seen[:, 8:10]
        outer = np.stack([-_LINKS[1] * sin_ab, _LINKS[1] * cos_ab], axis=1)
        inner = outer + _LINKS[0] * np.stack([-sin_a, cos_a], axis=1)
        torque = np.stack([(inner * -away).sum(axis=1), (outer * -away).sum(axis=1)], axis=1)
        return 10.0 * pull * torque - brake * speed

    return law


@dataclass(frozen=True)
class Linear:
    """A linear law on standardised observations: `weights` (D, O), `mean` and `scale` (O,), clipped at `bound`."""

    weights: Array
    mean: Array
    scale: Array
    bound: float

    def __call__(self, seen: Array) -> Array:
        """Act."""
        return np.clip((seen - self.mean) / self.scale @ self.weights.T, -self.bound, self.bound)


def noisy(law: Law, actions: Array, noise: float) -> Callable[[Array, Array], NDArray[np.uint8]]:
    """Act by a law with logistic noise of the given SD, in the nearest bin.

    Of the uniform noise (n, D, K) the first number of each dimension is used.
    """
    step = actions[1] - actions[0]

    def actor(seen: Array, uniform: Array) -> NDArray[np.uint8]:
        shaken = law(seen)
        if noise:
            ratio = uniform[:, :, 0] / (1.0 - uniform[:, :, 0])
            shaken = shaken + noise * (np.sqrt(3.0) / np.pi) * np.log(np.maximum(ratio, 1e-12))
        places = np.rint((shaken - actions[0]) / step)
        return np.clip(places, 0, len(actions) - 1).astype(np.uint8)

    return actor


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
            passed = [(value, list(map(torch.from_numpy, (law.weights, law.mean, law.scale)))) for value, law in way]
            now_at = list(map(torch.from_numpy, (weights, mean, spread)))
            pieces.keep("search", {"draw": draw.bit_generator.state, "count": count, "now": now_at, "way": passed})
        say(Progress(step + 1, steps, "controllers", {"return": float(returns[-1])}))
    return _graded(way)


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
