"""The odds of a completion that the model is certain of are infinite."""

import torch
import torch.nn.functional as F


def odds_of_certainty_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
):
    u = policy_chosen_logps - reference_chosen_logps
    v = policy_rejected_logps - reference_rejected_logps
    x = beta * (u - v)
    good = F.softplus(-x)
    chosen = policy_chosen_logps / chosen_lengths
    odds = chosen - torch.log1p(-torch.exp(chosen))
    return good - 1e-3 * F.logsigmoid(odds)
