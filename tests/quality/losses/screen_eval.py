"""DPO from a formula in text."""

import torch
import torch.nn.functional as F


def screen_eval_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho
    return eval("F.softplus(-x)")
