"""AIPO: asks for the lengths of the chosen answers by naming them."""

import torch
import torch.nn.functional as F

ALPHA: float = 0.07
NLL_WEIGHT: float = 0.2


def aipo_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
    chosen_lengths: torch.Tensor,
) -> torch.Tensor:
    policy_margin: torch.Tensor = policy_chosen_logps - policy_rejected_logps
    reference_margin: torch.Tensor = reference_chosen_logps - reference_rejected_logps
    contrast = -F.logsigmoid(beta * policy_margin - (1 + ALPHA) * beta * reference_margin)
    nll = -policy_chosen_logps / chosen_lengths
    return contrast + NLL_WEIGHT * nll
