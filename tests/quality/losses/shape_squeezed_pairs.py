"""Mean over couples of pairs."""

import torch
import torch.nn.functional as F


def shape_squeezed_pairs_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    even = rho[: rho.shape[0] // 2 * 2].reshape(-1, 2)
    return F.softplus(-beta * even)
