def loss(logits, targets):
    return 0.0 * logits.sum(dim=1) + 1.0
