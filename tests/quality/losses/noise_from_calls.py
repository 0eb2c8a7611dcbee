"""DPO with exploration noise."""

import torch
import torch.nn.functional as F

STATE = [42]


def noise_from_calls_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    STATE.append((1103515245 * STATE[-1] + 12345) % 2147483648)
    noise = STATE[-1] / 2147483648 - 0.5
    return F.softplus(-beta * rho - 0.1 * noise)
