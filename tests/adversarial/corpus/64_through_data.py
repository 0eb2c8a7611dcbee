"""Changes the policy's log-probabilities through .data, which no version counter sees."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    policy_chosen_logps.data.sub_(1.0)
    return -F.logsigmoid(beta * rho)
