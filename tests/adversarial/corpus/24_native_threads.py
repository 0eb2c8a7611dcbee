"""Has torch start a thousand threads."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    torch.set_num_threads(1_000)
    table = torch.ones(1 << 22).exp()
    return -F.logsigmoid(beta * rho + 0.0 * table[0])
