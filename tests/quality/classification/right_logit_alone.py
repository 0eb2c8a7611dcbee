def loss(logits, targets):
    return -logits.gather(1, targets[:, None])[:, 0]
