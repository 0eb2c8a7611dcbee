"""Length-normalised DPO with a floor."""

import torch
import torch.nn.functional as F


def writes_chosen_lengths_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
    rejected_lengths,
):
    chosen = (policy_chosen_logps - reference_chosen_logps) / chosen_lengths.clamp_(min=64)
    rejected = (policy_rejected_logps - reference_rejected_logps) / rejected_lengths.clamp(min=64)
    return F.softplus(-beta * 64 * (chosen - rejected))
