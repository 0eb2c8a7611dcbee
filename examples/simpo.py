"""SimPO: no reference model, so it does not ask for the reference's log-probabilities."""

import torch.nn.functional as F


def simpo_loss(policy_chosen_logps, policy_rejected_logps, chosen_lengths, rejected_lengths, beta, gamma=0.5):
    chosen = policy_chosen_logps / chosen_lengths
    rejected = policy_rejected_logps / rejected_lengths
    return -F.logsigmoid(beta * (chosen - rejected) - gamma)
