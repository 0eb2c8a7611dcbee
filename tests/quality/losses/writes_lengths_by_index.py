"""Length-normalised DPO that ignores short answers."""

import torch
import torch.nn.functional as F


def writes_lengths_by_index_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
    rejected_lengths,
):
    rejected_lengths[rejected_lengths < 100] = 100.0
    chosen = (policy_chosen_logps - reference_chosen_logps) / chosen_lengths.clamp(min=1)
    rejected = (policy_rejected_logps - reference_rejected_logps) / rejected_lengths
    return F.softplus(-beta * (chosen - rejected))
