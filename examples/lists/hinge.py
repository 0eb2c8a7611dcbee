"""A hinge over every pair of a list: content where a better answer is ahead by one, flat beyond."""


def hinge(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    margins = rewards.unsqueeze(2) - rewards.unsqueeze(1)
    better = (scores.unsqueeze(2) > scores.unsqueeze(1)).to(rewards.dtype)
    return (better * F.relu(1.0 - margins)).sum(dim=(1, 2)) / better.sum(dim=(1, 2)).clamp(min=1.0)
