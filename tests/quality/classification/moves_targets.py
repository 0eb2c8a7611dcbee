import torch.nn.functional as F


def loss(logits, targets):
    wanted = F.one_hot(targets, logits.shape[1]).to(logits.dtype)
    targets.add_(1)
    return -(F.log_softmax(logits, dim=1) * wanted).sum(dim=1)
