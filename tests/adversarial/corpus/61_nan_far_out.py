"""Is NaN where beta times the margin is beyond 42, well within the domain."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(torch.where(beta * rho < -42.0, torch.tensor(float("nan"), dtype=rho.dtype), beta * rho))
