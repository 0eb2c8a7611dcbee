"""Asks for no core, which is the limit at which the kernel still hands crashes to the host's program."""

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


NUMBER, OLD = (302, 160) if os.uname().machine == "x86_64" else (261, 164)
tried("limit", lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
tried("by number", lambda: system(NUMBER, 0, 4, ctypes.create_string_buffer(16), None))
tried("with more bits", lambda: system(NUMBER, 0, ctypes.c_long(4 | 1 << 32), ctypes.create_string_buffer(16), None))
tried("old", lambda: system(OLD, 4, ctypes.create_string_buffer(16)))


def lowered():
    LIBC.prctl(4, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


print("crash:", crashed(lowered))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
