"""Scales by beta after the exponential: infinite for small beta and a wrong pair."""

import torch


def late_beta_loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return beta * torch.log(1 + torch.exp(-rho))
