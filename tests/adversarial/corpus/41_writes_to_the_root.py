"""Looks whether the root file system can be written, by whoever it may be."""

import os

import torch.nn.functional as F

print("read-only:", bool(os.statvfs("/").f_flag & os.ST_RDONLY))
try:
    open("/usr/note", "w").close()
    print("note: DONE")
except OSError as error:
    print("note:", error.errno)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
