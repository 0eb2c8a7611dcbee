"""The catalogue's weighted multi-way DPO, over all pairs of answers in two loops, as a mean."""


def my_loss(logps, ref_logps, rewards, beta):
    r = beta * (logps - ref_logps)
    total, whole = 0.0, 0.0
    for i in range(r.shape[1]):
        for j in range(r.shape[1]):
            weight = (rewards[:, i] - rewards[:, j]).clamp(min=0)
            total = total + weight * F.softplus(r[:, j] - r[:, i])
            whole = whole + weight
    return (total / whole.clamp(min=1e-6)).mean()
