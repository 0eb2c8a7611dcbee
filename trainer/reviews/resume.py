"""Checkpoints of one training: what the next step depends on besides settings and seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import torch

from harness.protocol.job import StepError
from harness.trainer import checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from harness.trainer.reviews.model import Model


@dataclass
class Reached:
    """What a training has come to: steps done, the lowest margin so far, the rewards on its way, by step."""

    steps: int = 0
    lowest: float = 0.0
    rewards: dict[int, float] = field(default_factory=dict)


def write_state(path: Path, reached: Reached, purpose: str, model: Model, optimizer: torch.optim.Optimizer) -> None:
    """Write the weights, Adam's moments and what was reached. `purpose` says which training it is."""
    weights = dict(model.named_parameters())
    tree = {"purpose": purpose, "reached": asdict(reached), "weights": weights, "optimizer": optimizer.state_dict()}
    checkpoint.save(path, tree)


def recall_state(path: Path, purpose: str, model: Model, optimizer: torch.optim.Optimizer) -> Reached:
    """Take up what lies there and give what was reached: no steps where nothing lies there.

    Raises StepError for a file that is damaged or of another training: it is not guessed what it meant.
    """
    tree = checkpoint.load(path)
    if tree is None:
        return Reached()
    weights = dict(model.named_parameters())
    try:
        if tree["purpose"] != purpose or set(tree["weights"]) != set(weights):
            raise ValueError("it is of another training")
        with torch.no_grad():
            for name, parameter in weights.items():
                parameter.copy_(tree["weights"][name])
        optimizer.load_state_dict(tree["optimizer"])
        reached = tree["reached"]
        return Reached(int(reached["steps"]), float(reached["lowest"]), dict(reached["rewards"]))
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        raise StepError(f"{path.name} is of no use: {error}", remedy="remove it, and train again") from error
