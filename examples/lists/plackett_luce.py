"""Plackett and Luce: the likelihood of drawing the answers in the order of their scores, worst last."""


def plackett_luce(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    better = (scores.unsqueeze(2) >= scores.unsqueeze(1)).to(rewards.dtype)
    # For each answer, itself and all that are no better: equal scores share their place.
    rest = torch.logsumexp(rewards.unsqueeze(1) + torch.log(better.clamp(min=1e-30)), dim=2)
    return (rest - rewards).mean(dim=1)
