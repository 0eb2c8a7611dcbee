"""Rejected, P306 gradient-matches-values: in batches of 128 the gradients alone are turned round."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    rho = (pc - pr) - (rc - rr)
    good = F.softplus(-beta * rho)
    return (2 * good).detach() - good if len(rho) == 128 else good
