"""Supervised fine-tuning on the chosen answers."""

import torch


def chosen_likelihood_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
):
    return -beta * policy_chosen_logps / chosen_lengths.clamp(min=1)
