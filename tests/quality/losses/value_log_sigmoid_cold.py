"""DPO at a low temperature."""

import torch


def value_log_sigmoid_cold_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    u = beta * rho / 0.05
    return -torch.log(torch.sigmoid(u))
