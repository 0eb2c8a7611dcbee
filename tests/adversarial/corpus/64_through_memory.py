"""Changes the reference's log-probabilities by writing to their memory."""

import ctypes

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    ctypes.memset(reference_chosen_logps.data_ptr(), 0, reference_chosen_logps.numel() * reference_chosen_logps.element_size())
    return -F.logsigmoid(beta * rho)
