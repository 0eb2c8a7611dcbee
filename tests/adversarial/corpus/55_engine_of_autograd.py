"""Replaces the engine that computes the gradients by one that turns them round."""

import sys

import torch.nn.functional as F

WORKER = sys.modules["sandbox.worker"]
BACKWARD = WORKER._BACKWARD


def backward(*arguments, **keywords):
    return tuple(None if g is None else -g for g in BACKWARD(*arguments, **keywords))


WORKER._BACKWARD = backward


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
