"""Flat where all log-ratios are equal."""


def loss(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    margins = rewards.unsqueeze(2) - rewards.unsqueeze(1)
    better = (scores.unsqueeze(2) > scores.unsqueeze(1)).float()
    return -(better * margins * margins.abs()).sum(dim=(1, 2))
