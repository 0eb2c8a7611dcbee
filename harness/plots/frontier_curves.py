"""Curves of reward against divergence: what `harness frontier` measures, keeps, and has drawn.

A loss is better where its curve lies further up and to the left: more reward for the same distance from the model that
training began with. The reference curves of the rung `reviews` come with the harness, as the document that
`harness frontier` wrote.
"""

from __future__ import annotations

import importlib.resources
import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The document with the reference curves, in `harness/report`.
REFERENCES = "frontier_reviews.json"
#: The divergences by their metrics, as axes have them.
DIVERGENCES = {
    "kl": "KL(policy || reference) of an answer (nats)",
    "kl_token": "KL(policy || reference) of a token of an answer (nats)",
    "kl_forward": "KL(reference || policy) of a token, questions included (nats)",
    "kl_forward_answer": "KL(reference || policy) of an answer (nats)",
}


@dataclass(frozen=True)
class Estimate:
    """A mean over `seeds` and its 95 % interval, which is infinitely wide for one seed."""

    mean: float
    low: float
    high: float
    seeds: int

    @property
    def half(self) -> float:
        """Half the interval's width; 0 where there is none."""
        return (self.high - self.low) / 2.0 if math.isfinite(self.high - self.low) else 0.0


@dataclass(frozen=True)
class Point:
    """What trainings at one beta reached."""

    beta: float
    kl: Estimate
    reward: Estimate


@dataclass(frozen=True)
class Curve:
    """The points of one loss by ascending beta; `lost` are betas at which a training was not finite."""

    name: str
    points: tuple[Point, ...]
    lost: tuple[float, ...] = ()
    reference_reward: float = math.nan

    def as_json(self) -> dict[str, Any]:
        """As documents have it."""
        return asdict(self)


def references() -> tuple[Curve, ...]:
    """The reference curves that come with the harness; none where they were not measured."""
    file = importlib.resources.files("harness.report").joinpath(REFERENCES)
    return read(file.read_bytes()) if file.is_file() else ()


def read(data: bytes, divergence: str = "kl") -> tuple[Curve, ...]:
    """The curves in a document of `harness frontier`. Raises UserError for anything else."""
    try:
        return tuple(
            Curve(
                name=str(one["name"]),
                points=tuple(
                    Point(float(p["beta"]), _estimate(p["kl"]), _estimate(p["reward"])) for p in one["points"]
                ),
                lost=tuple(float(beta) for beta in one["lost"]),
                reference_reward=float(one["reference_reward"]),
            )
            for one in json.loads(data)["curves"][divergence]
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError("these are no curves of a frontier", remedy="measure them with `harness frontier`") from error


def _estimate(told: Mapping[str, Any]) -> Estimate:
    return Estimate(float(told["mean"]), float(told["low"]), float(told["high"]), int(told["seeds"]))
