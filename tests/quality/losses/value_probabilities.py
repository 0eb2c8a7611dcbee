"""Bradley-Terry on sequence probabilities."""

import torch


def value_probabilities_loss(pc, pr, rc, rr, beta):
    chosen = torch.exp(pc - rc) * torch.exp(rc)
    rejected = torch.exp(pr - rr) * torch.exp(rr)
    share = chosen / (chosen + rejected)
    return beta * (1 - share)
