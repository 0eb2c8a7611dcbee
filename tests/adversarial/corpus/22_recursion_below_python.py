"""Recurses in native code, past the end of the stack."""

import sys

import torch.nn.functional as F

sys.setrecursionlimit(10**9)


class Mirror:
    def __getattr__(self, name):
        return getattr(Mirror(), name + "x")


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    Mirror().x
    return -F.logsigmoid(beta * rho)
