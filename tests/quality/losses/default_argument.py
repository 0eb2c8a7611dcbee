"""DPO with a memory of margins."""

import torch
import torch.nn.functional as F


def default_argument_loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    history=[],
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    history.append(float(rho.mean()))
    centre = sum(history) / len(history)
    return F.softplus(-beta * (rho - 0.1 * centre))
