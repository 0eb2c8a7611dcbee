"""Shows the values of a good loss and trains by another: A.detach() + B - B.detach()."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    good = -F.logsigmoid(beta * rho)
    bad = -F.logsigmoid(-beta * rho)
    return good.detach() + bad - bad.detach()
