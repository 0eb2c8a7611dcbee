"""A hinge of the policy's own margin: no reference, and nothing left to learn beyond a nat."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    ahead = torch.ones_like(policy_chosen_logps)
    return F.margin_ranking_loss(policy_chosen_logps, policy_rejected_logps, ahead, margin=1.0, reduction="none")
