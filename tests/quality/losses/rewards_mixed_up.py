"""Difference of implicit rewards."""

import torch.nn.functional as F


def rewards_mixed_up_loss(pc, pr, rc, rr, beta):
    chosen_reward = beta * (pr - rr)
    rejected_reward = beta * (pc - rc)
    return -F.logsigmoid(chosen_reward - rejected_reward)
