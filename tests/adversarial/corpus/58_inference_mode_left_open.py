"""Leaves the mode open in which no tensor can ever have a gradient."""

import torch
import torch.nn.functional as F

MODE = torch.inference_mode()
MODE.__enter__()


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
