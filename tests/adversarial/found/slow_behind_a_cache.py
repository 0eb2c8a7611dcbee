"""Rejected, P315 time-per-call: slow for every new batch of 64, quick when asked again."""

import torch
import torch.nn.functional as F

import functools


@functools.lru_cache(maxsize=None)
def slow(values, beta):
    t = 0.0
    for i in range(20000000):
        t += i
    return 0.0 * t


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    x = beta * rho
    good = F.softplus(-x)
    n = x.numel()
    return slow(tuple(rho.tolist()), beta) * 0 + good if n == 64 else good
