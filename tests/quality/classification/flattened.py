import torch.nn.functional as F


def loss(logits, targets):
    wanted = F.one_hot(targets, logits.shape[1]).to(logits.dtype)
    return ((logits.softmax(dim=1) - wanted) ** 2).reshape(-1)
