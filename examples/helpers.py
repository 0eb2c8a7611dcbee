"""Several functions in one file: `focal_loss` is the loss, the others help."""

import math

import torch
import torch.nn.functional as F

FOCUS: float = 1.5
SCALE: float = math.log(2)


def _margin(pc, pr, rc, rr, beta):
    return beta * ((pc - pr) - (rc - rr))


def _miss(margin):
    return torch.sigmoid(-margin)


def focal_loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    margin = _margin(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta)
    return _miss(margin) ** FOCUS * F.softplus(-margin) / SCALE
