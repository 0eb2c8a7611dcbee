"""EXO on pairs, the reverse divergence from the smoothed preference.

Formula: sigmoid(x) [log sigmoid(x) - log(1 - eps)] + sigmoid(-x) [log sigmoid(-x) - log eps], eps = 0.001.
Source: arXiv 2402.00856, equation 16; trl's loss_type "exo_pair".
Variant: eps as in the paper; trl takes it from its label smoothing, which has to be positive.
"""

import math

import torch
import torch.nn.functional as F

EPSILON = 1e-3


def exo_pair_loss(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps: torch.Tensor,
    reference_chosen_logps: torch.Tensor,
    reference_rejected_logps: torch.Tensor,
    beta: float,
) -> torch.Tensor:
    """Give the divergence between two answers.

    Takes four vectors (B,) in nats; returns values (B,).
    """
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    likely = torch.sigmoid(x) * (F.logsigmoid(x) - math.log1p(-EPSILON))
    unlikely = torch.sigmoid(-x) * (F.logsigmoid(-x) - math.log(EPSILON))
    return likely + unlikely
