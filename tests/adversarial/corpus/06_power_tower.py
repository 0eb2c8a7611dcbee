"""A short line that takes for ever to compute, for the parser that folds constants."""

import torch.nn.functional as F

TABLE = 9**9**9**9


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
