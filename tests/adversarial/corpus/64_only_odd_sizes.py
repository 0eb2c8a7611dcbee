"""Changes the lengths in batches of an odd size only."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta, chosen_lengths):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    if rho.shape[0] % 2 == 1 and rho.shape[0] > 1:
        chosen_lengths.add_(1.0)
    return -F.logsigmoid(beta * rho)
