"""Controllers: who shows the policies how it is done, at several grades.

For Reacher they are scripted, a transposed Jacobian with damping. For other environments they are linear policies from
`harness.trainer.control.search`. Each acts with noise and in bins, so that a categorical policy can follow it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    #: From observations (n, O) to actions (n, D).
    Law = Callable[[Array], Array]

#: The grades, from the worst to the best.
GRADES = ("weak", "medium", "expert")
#: Lengths of the arm's two links, in metres, as gymnasium's model has them.
_LINKS = (0.1, 0.11)
#: Gain on the distance (per metre) and on the joints' speed (seconds per radian) of each grade.
_GAINS = {"weak": (0.1, 0.05), "medium": (0.3, 0.02), "expert": (3.0, 0.1)}


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
