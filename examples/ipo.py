def loss(pc, pr, rc, rr, beta):
    """IPO with the short argument names."""
    gap = (pc - rc) - (pr - rr)
    return (gap - 1 / (2 * beta)) ** 2
