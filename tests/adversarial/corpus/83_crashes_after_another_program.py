"""Becomes another program, which is one whose cores are wanted again, and crashes many times."""

import os
import signal
import sys

import torch.nn.functional as F


def tried(name, attempt):
    try:
        got = attempt()
    except BaseException as error:
        print(f"{name}: {type(error).__name__} {getattr(error, 'errno', None) or ''}".rstrip())
    else:
        print(f"{name}: DONE {got!r:.40}")

TEXT = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
ends = []
for _ in range(8):
    child = os.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-S", "-c", TEXT])
    ends.append(os.waitpid(child, 0)[1])
print("crashes:", *sorted(set(ends)))
tried("where to", lambda: os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
