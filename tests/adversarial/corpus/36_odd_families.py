"""Opens a socket of every family there is: virtual machines, the kernel's crypto, netlink, Bluetooth."""

import socket

import torch.nn.functional as F

opened, refused = [], 0
for family in range(1, 46):
    for kind in (1, 2, 3, 5):
        try:
            socket.socket(family, kind).close()
        except OSError:
            refused += 1
        else:
            opened.append(family)
print("opened:", sorted(set(opened)), "refused:", refused)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
