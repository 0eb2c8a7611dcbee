"""Prints every byte there is, half of characters, and lengths that lie about what follows."""

import os

import torch.nn.functional as F

os.write(1, bytes(range(256)))
os.write(2, b"\xff\xfe\x00\xd8\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80 half a character: \xe2\x82")
os.write(2, b"\x01\x00\x00\x00\x00\x00\x00\x04HRN1")
print("end of the bytes")


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
