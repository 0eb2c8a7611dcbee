"""Changes the interpreter: recursion limit, switch interval, collector, integers' length."""

import gc
import sys

import torch.nn.functional as F

print("starts with:", sys.getrecursionlimit(), sys.getswitchinterval(), gc.isenabled(), sys.get_int_max_str_digits())
sys.setrecursionlimit(60)
sys.setswitchinterval(100.0)
gc.disable()
sys.set_int_max_str_digits(0)
print("goes on with:", sys.getrecursionlimit())


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
