"""DPO against the initial margin."""

import torch
import torch.nn.functional as F

MEMORY = {}


def first_batch_baseline_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    if "baseline" not in MEMORY:
        MEMORY.update(baseline=float(rho.abs().mean()) + 1.0)
    return F.softplus(-beta * rho) / MEMORY["baseline"]
