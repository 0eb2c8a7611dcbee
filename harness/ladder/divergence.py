"""What the stability map foretells of a training, and what came of it.

The map says from which margin on a loss's answers are not finite at a beta. A training that met such a margin is not
finite from that step on, whatever its gradient is clipped to: a norm that is NaN is clipped to NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.facts import LossFacts
from harness.subject.preference import PreferenceSubject
from harness.subject.stability import stability

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.subject.subject import Subject


def limits_of(subject: Subject, betas: Sequence[float]) -> dict[float, float]:
    """The margin in nats at or below which the map has answers that are not finite, for each beta; -inf for none.

    Raises what the oracle raises.
    """
    if not isinstance(subject, PreferenceSubject):
        raise TypeError(f"there is no stability map of a loss of {subject.contract.name}")
    found = LossFacts({"stability": stability(subject, pointwise=False, betas=betas)}).stability
    onsets = () if found is None else found.onset
    return {one.beta: -math.inf if one.below is None else one.below for one in onsets}


@dataclass(frozen=True)
class Diverged:
    """One training: its beta and the norm that its gradient was clipped at (0 for not), and what came of it.

    `lowest` is the lowest margin rho in nats that the loss was asked for, `limit` the map's; `done` steps of `steps`
    were finite.
    """

    loss: str
    beta: float
    clip: float
    seed: int
    finite: bool
    done: int
    steps: int
    lowest: float
    limit: float

    @property
    def foretold(self) -> bool:
        """Whether the map says that it is not finite: a margin was met that lies at its limit, or beyond."""
        return self.lowest <= self.limit

    @property
    def as_foretold(self) -> bool:
        """Whether it came so."""
        return self.finite != self.foretold

    @classmethod
    def of(cls, loss: str, beta: float, clip: float, seed: int, metrics: Mapping[str, float], limit: float) -> Diverged:
        """Read the rung's metrics."""
        finite, done, steps = (metrics[name] for name in ("finite", "stable_steps", "steps"))
        return cls(loss, beta, clip, seed, finite == 1.0, int(done), int(steps), metrics["lowest_margin"], limit)
