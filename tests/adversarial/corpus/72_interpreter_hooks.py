"""Sets hooks of the interpreter: trace, profile, audit, exceptions, the collector; and counts its earlier ones."""

import gc
import sys
import threading

import torch.nn.functional as F

COUNT = [0]
print("hooks before:", sys.gettrace(), sys.getprofile(), len(gc.callbacks), sys.excepthook is sys.__excepthook__)


def counted(*_):
    COUNT[0] += 1


sys.setprofile(counted)
threading.setprofile(counted)
sys.addaudithook(counted)
gc.callbacks.append(counted)
sys.excepthook = counted
print("called:", COUNT[0] > 0)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
