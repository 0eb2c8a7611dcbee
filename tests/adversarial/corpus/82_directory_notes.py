"""Asks for a signal at each change of a folder, once for each of its descriptors, and for leases."""

import fcntl
import os

import torch.nn.functional as F


def tried(name, attempt):
    try:
        got = attempt()
    except BaseException as error:
        print(f"{name}: {type(error).__name__} {getattr(error, 'errno', None) or ''}".rstrip())
    else:
        print(f"{name}: DONE {got!r:.40}")

HERE = os.open("/", os.O_RDONLY)
NOTE = os.open("/tmp/note", os.O_RDWR | os.O_CREAT, 0o600)
tried("dnotify", lambda: fcntl.fcntl(HERE, 1026, 0x80000004))
tried("lease", lambda: fcntl.fcntl(NOTE, 1024, fcntl.F_WRLCK))
tried("read lease", lambda: fcntl.fcntl(HERE, 1024, fcntl.F_RDLCK))
os.close(NOTE)
os.close(HERE)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
