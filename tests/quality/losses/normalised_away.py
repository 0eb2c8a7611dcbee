"""Cross-entropy of the pair."""

import torch
import torch.nn.functional as F


def normalised_away_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    logits = torch.stack([beta * rho], dim=1)
    return -F.log_softmax(logits, dim=1).squeeze(1)
