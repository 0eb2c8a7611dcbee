"""Rank loss."""

import torch


def output_counts_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return (rho.unsqueeze(0) > rho.unsqueeze(1)).sum(dim=1)
