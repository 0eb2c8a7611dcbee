"""Binds an AF_ALG socket, talks to netlink, and calls the hypervisor over AF_VSOCK."""

import socket

import torch.nn.functional as F


def tried(name, attempt):
    try:
        got = attempt()
    except BaseException as error:
        print(f"{name}: {type(error).__name__} {getattr(error, 'errno', None) or ''}".rstrip())
    else:
        print(f"{name}: DONE {got!r:.40}")


def crypto():
    with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as wire:
        return wire.bind(("hash", "sha256"))


def routes():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9) as wire:
        return wire.bind((0, 1))


def hypervisor():
    with socket.socket(40, socket.SOCK_STREAM) as wire:
        wire.settimeout(1)
        return wire.connect((2, 1024))


tried("crypto", crypto)
tried("audit", routes)
tried("hypervisor", hypervisor)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
