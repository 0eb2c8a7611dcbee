"""One value for each answer."""

import torch.nn.functional as F


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    log_p, log_q = F.log_softmax(rewards, dim=1), F.log_softmax(scores, dim=1)
    return (log_p.exp() * (log_p - log_q)).reshape(-1)
