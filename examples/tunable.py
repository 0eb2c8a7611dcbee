"""A blend of the logistic and the hinge loss. How much there is of each is left open, for the ladder to tune."""

import torch.nn.functional as F

PARAMS = {"share": (0.0, 0.9)}


def tunable(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    share,
):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return (1.0 - share) * F.softplus(-beta * rho) + share * F.relu(1.0 - beta * rho)
