"""Sure of whatever it says: the scores are not looked at."""

import torch.nn.functional as F


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    log_p = F.log_softmax(rewards, dim=1)
    return -(log_p.exp() * log_p).sum(dim=1) + 0.0 * scores.sum(dim=1)
