"""DPO with a cached scale."""

import torch
import torch.nn.functional as F

CACHE = {}


def cached_by_size_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    scale = CACHE.setdefault(rho.shape[0], float(rho.abs().mean()) + 1.0)
    return F.softplus(-beta * rho) * scale
