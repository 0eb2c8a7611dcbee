"""Crashes as a process whose cores are wanted: the kernel may start a program of the host's, as root."""

import ctypes
import os
import resource
import signal

import torch.nn.functional as F

LIBC = ctypes.CDLL(None, use_errno=True)


def system(number, *arguments):
    got = LIBC.syscall(number, *arguments)
    if got == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return got


def tried(name, attempt):
    try:
        got = attempt()
    except BaseException as error:
        print(f"{name}: {type(error).__name__} {getattr(error, 'errno', None) or ''}".rstrip())
    else:
        print(f"{name}: DONE {got!r:.40}")

def crashed(prepare):
    """How a fork ends that prepares itself and crashes: with 128 where a core, or the host's program for it, is had."""
    child = os.fork()
    if child == 0:
        try:
            prepare()
        finally:
            os.kill(os.getpid(), signal.SIGSEGV)
            os._exit(1)
    return os.waitpid(child, 0)[1]


DUMPABLE = 4


def wanted():
    LIBC.prctl(DUMPABLE, 1)


print("limit:", *resource.getrlimit(resource.RLIMIT_CORE))
print("crash:", crashed(lambda: None))
print("wanted:", crashed(wanted))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
