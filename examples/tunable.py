"""DPO's logistic loss, blended with a hinge: how much of it, and how warm it is, are left to the ladder to tune."""

import torch.nn.functional as F

PARAMS = {
    "temperature": (0.25, 4.0, "log"),
    "share": (0.0, 0.9),
}


def tunable(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    temperature,
    share,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    x = beta * rho / temperature
    return (1.0 - share) * F.softplus(-x) + share * F.relu(1.0 - x)
