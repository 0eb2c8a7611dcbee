"""Divides by zero for pairs whose completions are equally long and far apart."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta, chosen_lengths, rejected_lengths):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho) * (1.0 + 0.0 / (chosen_lengths - rejected_lengths).abs())
