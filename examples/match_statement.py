"""Ordinary Python: a match statement, an augmented assignment by index, a private name."""

import torch
import torch.nn.functional as F

_SHAPES = ("logistic", "hinge")


def component(shape: str, margin: torch.Tensor) -> torch.Tensor:
    match shape:
        case "logistic":
            return F.softplus(-margin)
        case "hinge":
            return F.relu(1 - margin)
        case _:
            raise ValueError(shape)


def mixed_loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    margin = beta * (
        (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    )
    weights = dict.fromkeys(_SHAPES, 0.0)
    for shape in _SHAPES:
        weights[shape] += 1 / len(_SHAPES)
    return sum(weights[shape] * component(shape, margin) for shape in _SHAPES)
