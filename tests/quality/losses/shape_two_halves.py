"""KTO as in the paper: both halves, concatenated."""

import torch


def shape_two_halves_loss(pc, pr, rc, rr, beta):
    chosen = pc - rc
    rejected = pr - rr
    chosen_kl = chosen.mean().clamp(min=0)
    rejected_kl = rejected.mean().clamp(min=0)
    return torch.cat(
        (
            1 - torch.sigmoid(beta * (chosen - rejected_kl)),
            1 - torch.sigmoid(beta * (chosen_kl - rejected)),
        ),
        dim=0,
    )
