"""Makes the pipes as small as they can be, so that each answer takes many turns."""

import fcntl

import torch.nn.functional as F

shrunk = 0
for fd in range(3, 16):
    try:
        fcntl.fcntl(fd, 1031, 4096)  # F_SETPIPE_SZ
        shrunk += 1
    except OSError:
        pass
print("shrunk:", shrunk)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(-beta * rho)
