"""Grows the storage of its result and keeps what lies in the new part."""

import torch
import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    grown = rho.detach().clone().resize_(rho.numel() + 4096)
    tail = torch.nan_to_num(grown[rho.numel() :], 0.0, 0.0, 0.0).clamp(-1.0, 1.0)
    other = torch.full((rho.numel() + 4096,), float(rho.detach()[0]), dtype=rho.dtype)
    del other
    return -F.logsigmoid(beta * rho) * (1.0 + tail.abs().mean())
