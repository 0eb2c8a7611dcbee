"""The sign is wrong: the worst answers are learnt."""


def listwise(policy_logps, reference_logps, scores, beta):
    rewards = beta * (policy_logps - reference_logps)
    return (torch.softmax(scores, dim=1) * F.log_softmax(rewards, dim=1)).sum(dim=1)
