"""Is clamped so tightly that almost no pair has a gradient."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid((beta * rho).clamp(-1e-9, 1e-9)) + 0.0 * rho
