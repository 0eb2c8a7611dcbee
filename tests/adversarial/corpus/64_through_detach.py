"""Changes the policy's log-probabilities through a detached view of the same memory."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    policy_rejected_logps.detach().clamp_(min=-60.0)
    return -F.logsigmoid(beta * rho)
