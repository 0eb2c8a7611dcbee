"""DiscoPOP (LRML): the discovered loss of arXiv 2406.08414, as an ordinary function."""

import torch
import torch.nn.functional as F

TAU = 0.05


def discopop_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    logits = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    scaled = beta * logits
    modulation = torch.sigmoid(scaled / TAU)
    logistic = -F.logsigmoid(scaled)
    exponential = torch.exp(-scaled)
    return logistic * (1 - modulation) + exponential * modulation
