"""Asks the kernel to take pages of the image out of memory, by way of a mapping."""

import ctypes
import mmap
import os

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

LIBRARY = os.path.join(os.path.dirname(F.__file__), "..", "lib", "libtorch_cpu.so")
BIG = os.open(LIBRARY, os.O_RDONLY)
MAPPED = mmap.mmap(BIG, 1 << 24, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED)
MINCORE, MSYNC, PROCESS = (27, 26, 440) if os.uname().machine == "x86_64" else (232, 227, 440)


def resident():
    address = ctypes.c_long(PLACE)
    told = ctypes.create_string_buffer((1 << 24) // mmap.PAGESIZE)
    return system(MINCORE, address, ctypes.c_long(1 << 24), told)


PLACE = 0
sum(MAPPED[:: mmap.PAGESIZE])
for line in open("/proc/self/maps"):
    if "libtorch_cpu" in line:
        PLACE = int(line.partition("-")[0], 16)
        break
# Pages that others have mapped, and of files that are not ours, stay whatever is asked.
tried("residency", resident)
tried("invalidate", lambda: system(MSYNC, ctypes.c_long(PLACE), ctypes.c_long(1 << 24), 2))
tried("of others", lambda: system(PROCESS, 1, None, 0, 21, 0))
MAPPED.close()
os.close(BIG)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
